"""Native Quantize, Dequantize and Requantize equal the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.errors import UnsupportedOpError
from intact.exec.native import convert
from intact.ir.graph import Node, Value
from intact.ir.int_ops import Dequantize, Quantize, Requantize
from intact.numerics.formats import FP32, Format, Int, Ternary
from intact.numerics.qtensor import QuantParams
from tests.unit.exec.native.drawing import draw_activation, draw_codes, draw_requant
from tests.unit.exec.native.running import no_constants, run_op
from tests.unit.exec.oracle import run_node, seeds

NOTHING = no_constants()
SHAPE = (3, 6, 5, 4)
SCALES = [(), (1, 1, 1, 1), (1, 6, 1, 1), (1, 3, 1, 1), (1, 1, 1, 4), (1, 2, 1, 2), (1, 6, 5, 4)]
scale_shapes = st.sampled_from(SCALES)


def draw_params(rng: np.random.Generator, format: Int, shape: tuple[int, ...]) -> QuantParams:
    scale = rng.uniform(1e-3, 1, shape).astype(np.float32)
    if rng.random() < 0.5:
        scale = np.exp2(rng.integers(-8, 1, shape)).astype(np.float32)  # exact ties
    low, high = max(format.qmin, -(1 << 15)), min(format.qmax, 1 << 15)
    zero_point = rng.integers(low, high + 1, shape)
    return QuantParams(format, scale, np.asarray(zero_point) if rng.random() < 0.7 else None)


def conversion(op: Quantize | Dequantize | Requantize, source: Format, target: Format) -> Node:
    shape = (-1, *SHAPE[1:])
    return Node(op, (Value("x", shape, source),), Value("y", shape, target))


@given(seeds, scale_shapes, st.sampled_from([1, 2]))
@settings(max_examples=300)
def test_quantize_equals_the_reference(seed: int, scales: tuple[int, ...], threads: int) -> None:
    rng = np.random.default_rng(seed)
    format, _ = draw_activation(rng)
    params = draw_params(rng, format, scales)
    steps = rng.integers(-300, 301, SHAPE) + rng.choice([0, 0.5, 0.49999997, 0.50000006], SHAPE)
    x = (steps * params.scale.max()).astype(np.float32)
    odd = [np.nan, np.inf, -np.inf, -0.0, 3e38, -3e38, 1e-45]
    x[rng.random(SHAPE) < 0.1] = rng.choice(odd)
    node = conversion(Quantize(params), FP32, format)
    expected = run_node(node, [x])
    made = convert.quantize(node.op, node, NOTHING).op
    np.testing.assert_array_equal(run_op(made, [x], expected, threads), expected)


@pytest.mark.parametrize("format", [Int(8), Int(16), Int(16, signed=False)])
def test_quantize_rounds_the_neighbours_of_every_tie_as_the_reference(format: Int) -> None:
    ties = np.arange(format.qmin - 1, format.qmax + 1) + np.float32(0.5)
    x = np.concatenate([np.nextafter(ties, -np.inf), ties, np.nextafter(ties, np.inf)])
    x = x.astype(np.float32)
    op = Quantize(QuantParams(format, np.float32(1)))
    node = Node(op, (Value("x", x.shape, FP32),), Value("y", x.shape, format))
    expected = run_node(node, [x])
    made = convert.quantize(op, node, NOTHING).op
    np.testing.assert_array_equal(run_op(made, [x], expected), expected)


@given(seeds, scale_shapes, st.sampled_from([1, 2]))
@settings(max_examples=200)
def test_dequantize_equals_the_reference(seed: int, scales: tuple[int, ...], threads: int) -> None:
    rng = np.random.default_rng(seed)
    format = draw_activation(rng)[0] if rng.random() < 0.8 else Int(32)
    params = draw_params(rng, format, scales)
    x = rng.integers(format.qmin, format.qmax + 1, SHAPE).astype(format.storage)
    node = conversion(Dequantize(params), format, FP32)
    expected = run_node(node, [x])
    made = convert.dequantize(node.op, node, NOTHING).op
    np.testing.assert_array_equal(run_op(made, [x], expected, threads), expected)


@given(seeds, st.sampled_from([1, 2]))
@settings(max_examples=200)
def test_requantize_equals_the_reference(seed: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    source, zero_point = draw_activation(rng)
    target, _ = draw_activation(rng)
    wide = bool(rng.integers(2))
    requant = draw_requant(rng, SHAPE[-1], target, source.qmax - source.qmin, wide)
    x = draw_codes(rng, SHAPE, source)
    node = conversion(Requantize(zero_point, requant), source, target)
    expected = run_node(node, [x])
    made = convert.requantize(node.op, node, NOTHING).op
    np.testing.assert_array_equal(run_op(made, [x], expected, threads), expected)


def test_what_has_no_native_form_is_refused() -> None:
    two_sided = QuantParams(Int(8), np.ones((2, 1, 2), np.float32))
    values = Value("x", (2, -1, 2), FP32), Value("y", (2, -1, 2), Int(8))
    with pytest.raises(UnsupportedOpError, match=r'"y".*both sides of the batch axis'):
        convert.quantize(
            Quantize(two_sided), Node(Quantize(two_sided), values[:1], values[1]), NOTHING
        )
    op = Dequantize(QuantParams(Ternary(), np.float32(1)))
    with pytest.raises(UnsupportedOpError, match="ternary"):
        convert.dequantize(op, conversion(op, Ternary(), FP32), NOTHING)
