"""Sums of products as counts of bits: what kernels for few bits will compute, in NumPy.

Rows are packed 64 integers to a word (arithmetic.md, eq. 60 to 63). The codes of a layer made of
these counts are the reference executor's; its place in the native engine is that of `codes8`.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from intact.exec.windows import taps
from intact.ir.int_ops import QConv2d, QLinear
from intact.numerics.fixedpoint import sign_requant
from intact.numerics.formats import Binary, Format, Int, MidRise, Ternary
from intact.numerics.integers import code_integers
from tests.unit.exec.oracle import draw_codes, node, run_node, seeds

Bits = NDArray[np.uint64]
VALUES = Int(2, narrow=True)  # how Programs hold binary activations
LENGTHS = (1, 3, 63, 64, 65, 128, 200)


def packed(bits: np.ndarray) -> Bits:
    """(..., n) of 0 and 1 as (..., words); what is behind the last bit is 0."""
    rest = -bits.shape[-1] % 64
    padded = np.pad(bits.astype(np.uint8), [(0, 0)] * (bits.ndim - 1) + [(0, rest)])
    return np.ascontiguousarray(np.packbits(padded, axis=-1, bitorder="little")).view(np.uint64)


def count(words: Bits) -> np.ndarray:
    """The number of ones in the last axis."""
    return np.bitwise_count(words).sum(axis=-1, dtype=np.int64)


def planes(codes: np.ndarray, bits: int) -> list[Bits]:
    """The bits of unsigned integers, lowest first."""
    return [packed((codes.astype(np.int64) >> bit) & 1) for bit in range(bits)]


def xnor_dot(a: Bits, b: Bits, mask: Bits) -> np.ndarray:
    """Eq. 60: signs where `mask` is 1; a padded tap, where it is 0, contributes nothing."""
    return 2 * count(~(a ^ b) & mask) - count(mask)


def and_dot(x: list[Bits], w: list[Bits]) -> np.ndarray:
    """Eq. 61: unsigned integers."""
    return np.asarray(
        sum(count(a & b) << (m + k) for m, a in enumerate(x) for k, b in enumerate(w))
    )


def sign_dot(x: list[Bits], w: Bits) -> np.ndarray:
    """Eq. 62: unsigned integers times signs, one plane at a time."""
    return np.asarray(sum((2 * count(a & w) - count(a)) << m for m, a in enumerate(x)))


@given(seeds, st.sampled_from(LENGTHS))
def test_signs_are_counted_with_xnor(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.choice([-1, 1], (2, 5, length))
    inside = rng.random(length) < rng.choice([0.5, 1.0])
    counted = xnor_dot(packed(a > 0), packed(b > 0), packed(inside))
    np.testing.assert_array_equal(counted, (a * b * inside).sum(axis=1))


@given(seeds, st.sampled_from(LENGTHS), st.integers(1, 8), st.integers(1, 8))
def test_unsigned_integers_are_counted_with_and(seed: int, length: int, m: int, k: int) -> None:
    """DoReFa-Net: sum of 2**(m + k) popcount(c_m & c_k)."""
    rng = np.random.default_rng(seed)
    x, w = rng.integers(0, 1 << m, (5, length)), rng.integers(0, 1 << k, (5, length))
    np.testing.assert_array_equal(and_dot(planes(x, m), planes(w, k)), (x * w).sum(axis=1))


@given(seeds, st.sampled_from(LENGTHS))
def test_the_first_layer_is_eight_planes_of_bits(seed: int, length: int) -> None:
    """QNN: s = sum of 2**(n - 1) (x^n . w^b), and with signed codes and a zero point."""
    rng = np.random.default_rng(seed)
    x, w = rng.integers(-128, 128, (5, length)), rng.choice([-1, 1], (5, length))
    zero_point = int(rng.integers(-128, 128))
    counted = sign_dot(planes(x + 128, 8), packed(w > 0))
    total = 2 * count(packed(w > 0)) - length
    expected = ((x - zero_point) * w).sum(axis=1)
    np.testing.assert_array_equal(counted - (128 + zero_point) * total, expected)


@given(seeds, st.sampled_from(LENGTHS), st.integers(2, 7), st.integers(1, 4))
def test_mid_rise_weights_are_their_codes_and_the_sum_of_the_inputs(
    seed: int, length: int, bits: int, m: int
) -> None:
    """Eq. 63: with w = 2 c - (2**bits - 1)."""
    rng = np.random.default_rng(seed)
    format = MidRise(bits)
    x, codes = rng.integers(0, 1 << m, (5, length)), draw_codes(rng, (5, length), format)
    inputs = planes(x, m)
    total = sum(count(plane) << n for n, plane in enumerate(inputs))
    counted = 2 * and_dot(inputs, planes(codes, bits)) - format.largest * total
    np.testing.assert_array_equal(counted, (x * code_integers(codes, format)).sum(axis=1))


@given(seeds, st.sampled_from(LENGTHS))
def test_ternary_integers_are_a_mask_and_signs(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = draw_codes(rng, (2, 5, length), Ternary()).astype(np.int64)
    both = packed((a != 0) & (b != 0))
    counted = xnor_dot(packed(a > 0), packed(b > 0), both)
    np.testing.assert_array_equal(counted, (a * b).sum(axis=1))


# --- layers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", [9, 64, 100])
def test_a_binary_linear_layer_is_counts_and_thresholds(inputs: int) -> None:
    rng = np.random.default_rng(inputs)
    weight = draw_codes(rng, (7, inputs), Binary())
    bias = rng.integers(-9, 10, 7).astype(np.int32)
    x = rng.choice(np.array([-1, 1], np.int8), (5, inputs))
    requant = sign_requant(np.array([-1]), np.array([1]), 32)
    op = QLinear(0, None, requant)
    formats: list[tuple[Format, tuple[int, ...]]] = [
        (VALUES, x.shape), (Binary(), weight.shape), (Int(32), (7,)),
    ]  # fmt: skip
    expected = run_node(node(op, formats, VALUES), [x, weight, bias])
    sums = xnor_dot(packed(x > 0)[:, None], packed(weight), packed(np.ones(inputs)))
    np.testing.assert_array_equal(np.where(sums + bias >= 0, 1, -1), expected)


def test_a_binary_convolution_counts_the_taps_that_are_no_padding() -> None:
    rng = np.random.default_rng(0)
    weight = draw_codes(rng, (6, 3, 3, 5), Binary())
    bias = rng.integers(-5, 6, 6).astype(np.int32)
    x = rng.choice(np.array([-1, 1], np.int8), (2, 7, 6, 5))
    pads = ((1, 1), (1, 0))
    requant = sign_requant(np.array([-1]), np.array([1]), 32)
    op = QConv2d((2, 1), pads, (1, 1), 1, 0, None, requant)
    formats: list[tuple[Format, tuple[int, ...]]] = [
        (VALUES, (-1, 7, 6, 5)), (Binary(), weight.shape), (Int(32), (6,)),
    ]  # fmt: skip
    expected = run_node(node(op, formats, VALUES), [x, weight, bias], 2)
    padded = np.pad(x, [(0, 0), *pads, (0, 0)])
    views = taps(padded, 1, (3, 3), (2, 1), (1, 1), expected.shape[1:3])
    windows = np.concatenate(list(views), axis=-1)[..., None, :]
    rows = packed(weight.reshape(6, -1))
    sums = xnor_dot(packed(windows > 0), rows, packed(windows != 0))
    np.testing.assert_array_equal(np.where(sums + bias >= 0, 1, -1), expected)
