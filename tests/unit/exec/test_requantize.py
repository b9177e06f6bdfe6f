"""The fast requantization gives the integers of `Requant` and of Python integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.exec import requantize
from intact.exec.requantize import requantizer
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN, Requant
from tests.unit.exec.oracle import requantized_array, seeds


def draw_requant(rng: np.random.Generator, channels: int, bits: int) -> Requant:
    """Any mixture of shifts, one multiplier that is 0, one or many entries."""
    size = channels if rng.random() < 0.7 else 1
    multiplier = rng.integers(1 << 30, 1 << 31, size)
    multiplier[rng.random(size) < 0.1] = 0
    span = rng.choice([(-31, 14), (-12, -6), (-1, 1), (0, 0), (-9, -9)])
    low = rng.integers(-500, 0, channels if rng.random() < 0.5 else 1)
    return Requant(
        multiplier,
        rng.integers(span[0], span[1] + 1, size),
        int(rng.integers(-(1 << 15), 1 << 15)),
        low,
        low + 700,
        64 if bits == 64 else 32,
    )


def apply(requant: Requant, acc: np.ndarray, offset: np.ndarray) -> np.ndarray:
    out = np.empty(acc.shape, np.int64)
    requantizer(requant, acc.shape[-1], offset)(acc, out)
    return out


@given(seeds, st.integers(1, 7), st.integers(0, 5), st.sampled_from([32, 64]))
def test_equals_python_integers(seed: int, channels: int, rows: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    requant = draw_requant(rng, channels, bits)
    limit = rng.choice([100, 1 << 20, 1 << 31 if bits == 32 else 1 << 46])
    acc = rng.integers(-limit, limit, (rows, channels))
    acc[rng.random(acc.shape) < 0.1] = -limit
    np.testing.assert_array_equal(
        apply(requant, acc, np.zeros(1, np.int64)), requantized_array(requant, acc)
    )


@given(seeds, st.sampled_from([32, 64]))
def test_equals_requant_across_blocks(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    channels = int(rng.integers(1, 40))
    requant = draw_requant(rng, channels, bits)
    acc = rng.integers(-(1 << 23), 1 << 23, (37, channels))
    offset = rng.integers(-(1 << 22), 1 << 22, channels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requantize, "_BLOCK", 128)
        np.testing.assert_array_equal(apply(requant, acc, offset), requant(acc + offset))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
def test_reads_integers_of_any_dtype(dtype: type) -> None:
    requant = draw_requant(np.random.default_rng(3), 5, 32)
    acc = np.random.default_rng(4).integers(-(1 << 24) + 1, 1 << 24, (9, 5))
    offset = np.array([1 << 30])
    before = acc.astype(dtype)
    np.testing.assert_array_equal(apply(requant, before, offset), requant(acc + offset))
    np.testing.assert_array_equal(before, acc)


def test_ends_of_int32() -> None:
    acc = np.array([[INT32_MIN, INT32_MIN + 1, -1, 0, 1, INT32_MAX - 1, INT32_MAX]])
    for shift in range(-31, 31):
        top = np.array([INT32_MAX])
        requant = Requant(top, np.array([shift]), 0, np.array([INT32_MIN]), top)
        expected = requantized_array(requant, acc)
        np.testing.assert_array_equal(apply(requant, acc, np.zeros(1, np.int64)), expected)


def test_writes_the_dtype_of_its_output() -> None:
    requant = draw_requant(np.random.default_rng(5), 3, 32)
    acc = np.arange(-30, 30).reshape(20, 3)
    out = np.empty((20, 3), np.int16)
    requantizer(requant, 3, np.zeros(1, np.int64))(acc, out)
    np.testing.assert_array_equal(out, requant(acc))
