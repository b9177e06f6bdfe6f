"""Real scales become the integers that TFLite's specification asks for."""

from typing import Literal

import numpy as np
import pytest

from intact.ir import float_ops as ops
from intact.ir.graph import Node, Value
from intact.ir.int_ops import Operand
from intact.lower.requant import (
    activation_bounds,
    add_operands,
    clamp_bounds,
    identity_requant,
    quantize_bias,
    requant,
)
from intact.numerics.fixedpoint import multiply_by_quantized_multiplier
from intact.numerics.formats import FP32, Int
from intact.numerics.qtensor import QuantParams


def params(scale: float, zero_point: int, bits: int = 8) -> QuantParams:
    return QuantParams(Int(bits), np.asarray(scale, np.float32), np.asarray(zero_point))


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (ops.Relu(), (-100, 127)),
        (ops.Clamp(0, 6), (-100, 20)),
        (ops.Clamp(None, 0.03), (-128, -99)),
        (ops.Clamp(-100.0, 100.0), (-128, 127)),
        (ops.Clamp(50.0, 60.0), (127, 127)),
    ],
)
def test_clamp_bounds_are_tflites(
    activation: ops.Relu | ops.Clamp, expected: tuple[int, int]
) -> None:
    bounds = activation_bounds(Node(activation, (X,), Y), {})
    low, high = clamp_bounds(bounds, params(0.05, -100))
    assert (low.tolist(), high.tolist()) == ([expected[0]], [expected[1]])


X, Y = Value("x", (-1, 4), FP32), Value("y", (-1, 4), FP32)
LOW, HIGH = Value("low", (4,), FP32), Value("high", (4,), FP32)


@pytest.mark.parametrize(
    ("low", "high", "codes"),
    [
        ([0, 0, 0, 0], [6, 3, 1.5, np.inf], ([-100] * 4, [20, -40, -70, 127])),
        ([-np.inf, -1, 2, 9], [0.03, 100, 1, 9], ([-128, -120, -80, 80], [-99, 127, -80, 80])),
        ([0, 0, 0, 0], [6, 6, 6, 6], ([-100], [20])),  # the same bounds are one
    ],
)
def test_bounds_of_channels(
    low: list[float], high: list[float], codes: tuple[list[int], list[int]]
) -> None:
    constants = {"low": np.array(low, np.float32), "high": np.array(high, np.float32)}
    bounds = activation_bounds(Node(ops.ChannelClamp(), (X, LOW, HIGH), Y), constants)
    found = clamp_bounds(bounds, params(0.05, -100))
    assert tuple(array.tolist() for array in found) == codes


def test_without_activation_every_code_is_left() -> None:
    low, high = clamp_bounds(None, params(0.05, -100))
    assert (low.tolist(), high.tolist()) == ([-128], [127])


@pytest.mark.parametrize(
    ("codes", "expected"),
    [((100, -100), 48), ((-128, 127), -67), ((0, 0), -2), ((17, 42), 26), ((127, 127), 127)],
)
def test_add_matches_tflite_vectors(codes: tuple[int, int], expected: int) -> None:
    a, b, output = params(0.05, -5), params(0.02, 10), params(0.06, -3)
    first, second, left_shift, scaled = add_operands(a, b, output, None)
    assert left_shift == 20

    def rescaled(operand: Operand, code: int) -> np.ndarray:
        x = np.array([(code - operand.zero_point) << left_shift])
        return multiply_by_quantized_multiplier(
            x, np.array([operand.multiplier]), np.array([operand.shift])
        )

    total = rescaled(first, codes[0]) + rescaled(second, codes[1])
    assert scaled(total).item() == expected


@pytest.mark.parametrize("bits", [32, 64])
def test_a_multiplier_too_large_for_its_accumulator_saturates(bits: Literal[32, 64]) -> None:
    scaled = requant(1e18, params(1e-6, 3), None, bits)
    np.testing.assert_array_equal(scaled(np.array([-5, 0, 5])), [-128, 3, 127])


def test_identity_requant_keeps_every_16_bit_code() -> None:
    codes = Int(16).codes().astype(np.int64)
    np.testing.assert_array_equal(identity_requant(params(0.1, 0, 16))(codes), codes)


def test_per_channel_multipliers_keep_their_order() -> None:
    scaled = requant(np.array([0.0003, 0.75, 1.0]), params(1.0, 0))
    assert scaled.multiplier.tolist() == [1319413953, 1610612736, 1 << 30]
    assert scaled.shift.tolist() == [-11, 0, 1]


def test_bias_saturates_instead_of_wrapping() -> None:
    codes = quantize_bias(np.array([1.0, -1e9]), np.array([0.25, 1e-3]), 32)
    assert codes.tolist() == [4, -(1 << 31)]
    assert quantize_bias(np.array([1e9]), np.array([1e-3]), 64).tolist() == [10**12]
