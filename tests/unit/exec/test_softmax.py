"""Integer softmax: published codes, TFLite's algorithm on Python integers, real arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.ir.int_ops import QSoftmax, QSoftmax16
from intact.numerics import gemmlowp
from intact.numerics.fixedpoint import quantize_multiplier
from intact.numerics.formats import Int
from intact.numerics.tables import exp_table, reciprocal_table
from tests.unit.exec.oracle import clamp, draw_codes, multiply, node, run_node, seeds

FORMATS = [(Int(8), Int(8)), (Int(8, signed=False),) * 2, (Int(4), Int(4)), (Int(8), Int(16))]


def softmax_op(scale: float) -> QSoftmax:
    multiplier, shift = quantize_multiplier(scale * 2.0**26)
    return QSoftmax(
        int(multiplier), int(shift), -math.floor(31 * 2.0**26 / 2.0 ** max(int(shift), 0))
    )


def softmax16_op(scale: float) -> QSoftmax16:
    multiplier, shift = quantize_multiplier(scale / (10 / 65535))
    return QSoftmax16(int(multiplier), int(shift), exp_table(), reciprocal_table())


def run(op: QSoftmax | QSoftmax16, x: np.ndarray, format: Int, out: Int) -> np.ndarray:
    return run_node(node(op, [(format, (-1, *x.shape[1:]))], out), [x])


def real_softmax(x: np.ndarray, scale: float) -> np.ndarray:
    powers = np.exp(scale * (x.astype(np.float64) - x.max(axis=-1, keepdims=True)))
    return powers / powers.sum(axis=-1, keepdims=True)


def rdbp(x: int, exponent: int) -> int:
    magnitude = (abs(x) + ((1 << exponent) >> 1)) >> exponent
    return magnitude if x >= 0 else -magnitude


def tflite_softmax(row: list[int], op: QSoftmax, out: Int) -> list[int]:
    def exp(difference: int) -> int:
        scaled = np.array([multiply(difference, op.multiplier, op.shift)])
        return int(gemmlowp.exp_on_negative_values(scaled, 5)[0])

    differences = [q - max(row) for q in row]
    total = sum(rdbp(exp(d), 12) for d in differences if d >= op.diff_min)
    headroom = 32 - total.bit_length()
    fraction = np.array([(total << headroom) - (1 << 31)])
    scale = int(gemmlowp.one_over_one_plus_x_for_x_in_0_1(fraction)[0])
    exponent = 12 - headroom + 31 - out.bits
    codes = []
    for d in differences:
        if d < op.diff_min:
            codes.append(out.qmin)
            continue
        high = (scale * exp(d) + (1 << 30)) >> 31
        codes.append(clamp(rdbp(high, exponent) + out.qmin, out.qmin, out.qmax))
    return codes


@pytest.mark.parametrize(
    ("scale", "row", "expected"),
    [
        (0.02, [-128, -64, 0, 64, 127], [-127, -124, -113, -76, 56]),
        (1.0, [1, 2, 3], [-105, -65, 42]),
    ],
)
def test_published_codes(scale: float, row: list[int], expected: list[int]) -> None:
    out = run(softmax_op(scale), np.int8([row]), Int(8), Int(8))
    assert out.tolist() == [expected]


@given(
    seeds,
    st.integers(1, 9),
    st.floats(1e-4, 8),
    st.sampled_from(FORMATS),
)
def test_equals_tflite_on_python_integers(
    seed: int, length: int, scale: float, formats: tuple[Int, Int]
) -> None:
    x = draw_codes(np.random.default_rng(seed), (2, 2, length), formats[0])
    op = softmax_op(scale)
    out = run(op, x, *formats)
    assert out.dtype == formats[1].storage
    for index in np.ndindex(2, 2):
        assert out[index].tolist() == tflite_softmax(x[index].tolist(), op, formats[1])


@given(seeds, st.integers(1, 300), st.floats(1e-3, 0.5))
def test_is_within_one_code_of_real_softmax(seed: int, length: int, scale: float) -> None:
    x = draw_codes(np.random.default_rng(seed), (3, length))
    out = run(softmax_op(scale), x, Int(8), Int(8))
    exact = np.clip(real_softmax(x, scale) * 256 - 128, -128, 127)
    assert np.abs(out - exact).max() < 1


def error16(seed: int, length: int, scale: float) -> float:
    x = draw_codes(np.random.default_rng(seed), (3, length), Int(16))
    out = run(softmax16_op(scale), x, Int(16), Int(16))
    return float(np.abs(out - np.clip(real_softmax(x, scale) * 32768, 0, 32767)).max())


@given(seeds, st.integers(1, 300), st.floats(1e-5, 10 / 65536))
def test_16_bits_are_within_nine_codes_of_real_softmax(
    seed: int, length: int, scale: float
) -> None:
    assert error16(seed, length, scale) < 9


@given(seeds, st.integers(1, 300), st.floats(1e-5, 3e-3))
def test_16_bits_give_two_codes_to_what_lies_ten_below_the_maximum(
    seed: int, length: int, scale: float
) -> None:
    # TFLite's table ends at exp(-10), 1.5 codes, which is also what exp(-100) counts as.
    assert error16(seed, length, scale) < 9 + 2 * length


def lut(table: np.ndarray, x: int) -> int:
    x = clamp(x, -32768, 32767)
    index, offset = 256 + (x >> 7), x & 127
    base, slope = int(table[index]), int(table[index + 1]) - int(table[index])
    return base + ((slope * offset + 64) >> 7)


@given(seeds, st.integers(1, 9), st.floats(1e-5, 0.1))
def test_16_bits_equal_tflite_on_python_integers(seed: int, length: int, scale: float) -> None:
    x = draw_codes(np.random.default_rng(seed), (2, length), Int(16))
    op = softmax16_op(scale)
    out = run(op, x, Int(16), Int(16))
    for row, result in zip(x.tolist(), out.tolist(), strict=True):
        scaled = [multiply(q - max(row), op.multiplier, op.shift) for q in row]
        powers = [lut(op.exp_table, v + 32767) for v in scaled]
        total = sum(powers)
        headroom = 32 - total.bit_length()
        shifted = ((total << (headroom - 1)) + (1 << 13)) >> 14
        reciprocal = lut(op.reciprocal_table, shifted - ((1 << 15) + (1 << 16)))
        right = 31 - headroom
        expected = [(p * reciprocal + (1 << (right - 1))) >> right for p in powers]
        assert result == [clamp(v, 0, 32767) for v in expected]
