import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.numerics.special import erf, round_half_away
from tests.unit.exec import oracle

halves = st.integers(-(1 << 24), 1 << 24).map(lambda i: i / 2)


@given(st.lists(halves | st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_round_half_away_equals_exact_rounding_of_float32(numbers: list[float]) -> None:
    result = round_half_away(np.array(numbers, np.float32))
    assert result.dtype == np.float32
    assert [int(r) for r in result] == [oracle.round_half_away(x) for x in numbers]


@given(st.lists(halves | st.floats(allow_nan=False, allow_infinity=False)))
def test_round_half_away_equals_exact_rounding_of_float64(numbers: list[float]) -> None:
    result = round_half_away(np.array(numbers, np.float64))
    assert result.dtype == np.float64
    assert [int(r) for r in result] == [oracle.round_half_away(x) for x in numbers]


@pytest.mark.parametrize("x", [0.49999997, 0.5, 8388607.5, 8388609.0, 16777215.0, -0.5, -2.5])
def test_round_half_away_at_the_ends_of_float32(x: float) -> None:
    assert round_half_away(np.float32([x]))[0] == oracle.round_half_away(x)


@pytest.mark.parametrize(
    "x", [0.49999999999999994, 0.5, 1.5, -2.5, 2.0**52 - 0.5, 2.0**52 + 1, -(2.0**53) + 1]
)
def test_round_half_away_at_the_ends_of_float64(x: float) -> None:
    assert round_half_away(np.float64([x]))[0] == oracle.round_half_away(x)


def test_erf_error_is_below_4e_9() -> None:
    x = np.linspace(-7, 7, 20_001)
    exact = np.array([math.erf(v) for v in x])
    assert np.abs(erf(x) - exact).max() < 4e-9


def test_erf_keeps_shape_and_dtype_and_is_odd() -> None:
    x = np.linspace(-5, 5, 3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)
    assert erf(x).shape == x.shape
    assert erf(x).dtype == np.float32
    np.testing.assert_array_equal(erf(-x), -erf(x))
    assert erf(np.float32([-np.inf, 0, np.inf])).tolist() == [-1, 0, 1]
