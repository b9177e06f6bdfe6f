"""Activation tables: published TFLite codes, and real arithmetic on every code."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.numerics import tables
from intact.numerics.arrays import F64, IntArray
from intact.numerics.fixedpoint import multiply_by_quantized_multiplier, quantize_multiplier
from intact.numerics.formats import FP32, Int
from intact.numerics.qtensor import QuantParams

INT8 = Int(8)
CODES = np.arange(-128, 128)
scales = st.floats(1e-4, 2.0)
zero_points = st.integers(-128, 127)


def params(scale: float, zero_point: int = 0, format: Int = INT8) -> QuantParams:
    return QuantParams(format, np.asarray(scale, np.float32), np.asarray(zero_point))


def real(source: QuantParams, codes: IntArray = CODES) -> F64:
    return float(source.scale) * (codes - int(source.offset))


def test_published_codes_of_logistic() -> None:
    table = tables.logistic_table(params(0.05, 3))
    assert [int(table[q + 128]) for q in (-64, -20, 3, 30, 64, 127)] == [
        -119, -66, 0, 75, 116, 127,
    ]  # fmt: skip


def test_published_deviation_of_logistic() -> None:
    source = params(0.05, 3)
    exact = np.clip(256 / (1 + np.exp(-real(source))) - 128, -128, 127)
    assert np.abs(tables.logistic_table(source) - exact).max() < 0.51


# From a scale of 1 on, inputs saturate a little early: TFLite's radius is a whole code below 15.
@given(st.floats(1e-4, 0.9), zero_points)
def test_logistic_and_tanh_are_the_nearest_codes_or_their_neighbours(
    scale: float, zero_point: int
) -> None:
    source = params(scale, zero_point)
    exact = np.clip(256 / (1 + np.exp(-real(source))) - 128, -128, 127)
    assert np.abs(tables.logistic_table(source) - exact).max() < 0.51
    exact = np.clip(128 * np.tanh(real(source)), -128, 127)
    assert np.abs(tables.tanh_table(source) - exact).max() < 0.51


@pytest.mark.parametrize("scale", [8.0, 100.0])
def test_scales_beyond_the_fixed_point_range_give_the_nearest_codes(scale: float) -> None:
    logistic, tanh = tables.logistic_table(params(scale)), tables.tanh_table(params(scale))
    assert logistic[[0, 128, 255]].tolist() == [-128, 0, 127]
    assert tanh[[0, 128, 255]].tolist() == [-128, 0, 127]


@given(scales, scales, zero_points, zero_points, st.floats(0, 1.5))
def test_leaky_relu_has_one_multiplier_for_each_sign(
    scale: float, out_scale: float, zero_point: int, out_zero_point: int, slope: float
) -> None:
    source, output = params(scale, zero_point), params(out_scale, out_zero_point)
    table = tables.leaky_relu_table(slope, source, output)
    ratio = float(source.scale) / float(output.scale)
    for q, code in zip(CODES.tolist(), table.tolist(), strict=True):
        v = q - zero_point
        factor = quantize_multiplier(ratio if v >= 0 else ratio * slope)
        expected = int(multiply_by_quantized_multiplier(np.array(v), *factor)) + out_zero_point
        assert code == min(max(expected, -128), 127)


@given(st.floats(1e-3, 0.5), zero_points, zero_points)
def test_hard_swish_is_within_one_code(scale: float, zero_point: int, out_zero_point: int) -> None:
    source, output = params(scale, zero_point), params(scale * 0.9, out_zero_point)
    x = real(source)
    exact = x * np.clip(x + 3, 0, 6) / 6 / float(output.scale) + out_zero_point
    table = tables.hard_swish_table(source, output)
    assert np.abs(table - np.clip(exact, -128, 127)).max() <= 1.0


def test_hard_swish_of_a_coarse_input_gives_the_nearest_codes() -> None:
    table = tables.hard_swish_table(params(3.0), params(0.01))
    assert table[[0, 127, 128, 129]].tolist() == [0, 0, 0, 127]


@pytest.mark.parametrize(
    "format", [Int(8), Int(4), Int(2), Int(8, signed=False), Int(4, narrow=True)], ids=repr
)
def test_lookup_table_holds_the_nearest_code_of_every_code(format: Int) -> None:
    source, output = params(0.25, 1, format), params(0.125, 0, Int(6))
    table = tables.lookup_table(lambda x: x / 2, source, output)
    low = format.qmax + 1 - (1 << format.bits)
    for code, entry in zip(range(low, format.qmax + 1), table.tolist(), strict=True):
        exact = (code - 1) * 0.25 / 2 / 0.125  # whole codes, so that nothing is rounded
        assert entry == min(max(int(exact), -32), 31)


def test_lookup_table_rounds_ties_away_from_zero() -> None:
    table = tables.lookup_table(lambda x: x / 2, params(1.0), params(1.0))
    assert table[128 - 3 : 128 + 4].tolist() == [-2, -1, -1, 0, 1, 1, 2]


FUNCTIONS: dict[str, tuple[Callable[[F64], F64], float]] = {
    "tanh": (np.tanh, 1 / 32768),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), 1 / 32768),
    "silu": (lambda x: x / (1 + np.exp(-x)), 8 / 32768),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("bits", [9, 12, 16])
def test_interpolated_table_is_accurate(name: str, bits: int) -> None:
    function, out_scale = FUNCTIONS[name]
    source = params(7.9 / 2 ** (bits - 1), 0, Int(bits))
    table = tables.interpolated_table(function, source, params(out_scale, 0, Int(16)))
    assert table.shape == (513,)
    step = 1 << (bits - 9)
    codes = np.arange(-(1 << (bits - 1)), 1 << (bits - 1))
    u = codes + (1 << (bits - 1))
    entries = table.astype(np.int64)
    left, right = entries[u // step], entries[u // step + 1]
    interpolated = left + (right - left) * (u % step) / step
    exact = np.clip(function(real(source, codes)) / out_scale, -32768, 32767)
    # 8 * h**2 / 8 * |f''| codes: h = 15.8 / 512, |f''| <= 0.77, half of it corrected.
    assert np.abs(interpolated - exact).max() < 3.5


def test_interpolated_table_of_the_identity_is_exact() -> None:
    source = params(1.0, 0, Int(16))
    table = tables.interpolated_table(lambda x: x, source, source)
    assert table[:3].tolist() == [-32768, -32640, -32512]
    assert table[-2:].tolist() == [32640, 32768]  # clamping comes after interpolation


def test_softmax_tables() -> None:
    # TFLite's gen_lut: a sample, less half the interpolation error of its interval.
    assert tables.exp_table().shape == tables.reciprocal_table().shape == (513,)
    assert tables.exp_table()[-1] == tables.reciprocal_table()[0] == 32767
    assert tables.reciprocal_table()[-1] == 16384
    x = np.linspace(0, 1, 513)
    assert np.abs(tables.reciprocal_table() - np.minimum(32768 / (1 + x), 32767)).max() <= 1
    assert np.abs(tables.exp_table() - 32768 * np.exp(10 * x - 10)).max() < 3


def test_refuses_what_has_no_table() -> None:
    with pytest.raises(ValueError, match="one scale"):
        tables.lookup_table(np.tanh, QuantParams(FP32, np.asarray(1.0, np.float32)), params(1.0))
    with pytest.raises(ValueError, match="no interpolation"):
        tables.interpolated_table(np.tanh, params(1.0), params(1.0))
    with pytest.raises(ValueError, match="int8"):
        tables.logistic_table(params(1.0, 0, Int(4)))
