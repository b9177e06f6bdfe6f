"""Steps decide whether two requantizations give the same codes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.numerics.fixedpoint import Requant

pytest.importorskip("tflite", reason="pip install 'intact[tflite]'")

from intact.emit.tflite.rounding import requant_of, same_codes

multipliers = st.lists(st.integers(1 << 30, (1 << 31) - 1), min_size=1, max_size=3)


def requant(multiplier: list[int], shift: int, bits: int = 32) -> Requant:
    size = len(multiplier)
    return Requant(
        np.array(multiplier), np.full(size, shift), 3, np.array([-128]), np.array([127]), bits
    )


@given(
    multipliers,
    st.integers(-10, 1),
    st.integers(-(1 << 24), 1 << 24),
    st.integers(-2000, 0),
    st.integers(0, 2000),
    st.sampled_from([32, 64]),
)
def test_comparing_steps_is_comparing_all_accumulators(
    multiplier: list[int], shift: int, change: int, low: int, high: int, bits: int
) -> None:
    a = requant(multiplier, shift, bits)
    b = requant([max(1, min(m + change, (1 << 31) - 1)) for m in multiplier], shift, bits)
    accumulators = np.arange(low, high + 1)[:, None]
    assert same_codes(a, b, low, high) == np.array_equal(a(accumulators), b(accumulators))


def test_a_left_shift_that_wraps_in_tflite_is_not_the_same() -> None:
    doubled = requant([1 << 30], 2)
    assert same_codes(doubled, doubled, 0, (1 << 29) - 1)
    assert not same_codes(doubled, doubled, 0, 1 << 29)


def test_numbers_that_tflite_cannot_split_give_none() -> None:
    assert requant_of(2.0**31, requant([1 << 30], 0)) is None
