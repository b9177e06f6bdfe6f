"""gemmlowp's fixed-point functions: its C on single Python integers, and real arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.numerics import gemmlowp
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN

CONSTANTS = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535,
             3: 720401, 4: 242}  # fmt: skip
negative = st.one_of(
    st.sampled_from([0, -1, -2, INT32_MIN, INT32_MIN + 1, -(1 << 24), -(1 << 24) + 1]),
    st.integers(INT32_MIN, 0),
)
unit = st.one_of(st.sampled_from([0, 1, INT32_MAX, INT32_MAX - 1]), st.integers(0, INT32_MAX))
int32 = st.one_of(st.sampled_from([0, 1, -1]), st.integers(-INT32_MAX, INT32_MAX))


def c_high_mul(a: int, b: int) -> int:
    nudge = 1 << 30 if a * b >= 0 else 1 - (1 << 30)
    total = a * b + nudge
    return total >> 31 if total >= 0 else -(-total >> 31)


def c_divide(x: int, exponent: int) -> int:
    mask = (1 << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def c_shift(x: int, bits: int) -> int:
    threshold = (1 << (31 - bits)) - 1
    if x > threshold:
        return INT32_MAX
    return INT32_MIN if x < -threshold else x << bits


def c_exp(a: int, integer_bits: int) -> int:
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    remainder = (a & (quarter - 1)) - quarter
    x = c_shift(remainder, integer_bits) + (1 << 28)
    x2 = c_high_mul(x, x)
    x3, x4 = c_high_mul(x2, x), c_high_mul(x2, x2)
    series = c_divide(c_high_mul(c_divide(x4, 2) + x3, 715827883) + x2, 1)
    result = 1895147668 + c_high_mul(1895147668, x + series)
    for exponent, constant in CONSTANTS.items():
        if integer_bits > exponent and (remainder - a) & (1 << (fraction_bits + exponent)):
            result = c_high_mul(result, constant)
    return INT32_MAX if a == 0 else result


def c_newton(a: int) -> int:
    half = (a + INT32_MAX + 1) // 2
    x = 1515870810 + c_high_mul(half, -1010580540)
    for _ in range(3):
        x += c_shift(c_high_mul(x, (1 << 29) - c_high_mul(half, x)), 2)
    return x


def c_logistic(a: int, integer_bits: int) -> int:
    if a == 0:
        return 1 << 30
    upper = c_shift(c_newton(c_exp(-abs(a), integer_bits)), 1)
    return upper if a > 0 else INT32_MAX - upper


def c_tanh(a: int, integer_bits: int) -> int:
    upper = c_shift(c_newton(c_exp(-abs(a), integer_bits + 1)) - (1 << 29), 2)
    return 0 if a == 0 else upper if a > 0 else -upper


@given(st.lists(negative, min_size=1), st.integers(0, 5))
def test_exp_equals_gemmlowp(numbers: list[int], integer_bits: int) -> None:
    result = gemmlowp.exp_on_negative_values(np.array(numbers), integer_bits)
    assert result.tolist() == [c_exp(a, integer_bits) for a in numbers]


@given(st.lists(unit, min_size=1))
def test_reciprocals_equal_gemmlowp(numbers: list[int]) -> None:
    array = np.array(numbers)
    one_over = gemmlowp.one_over_one_plus_x_for_x_in_0_1(array)
    assert one_over.tolist() == [c_shift(c_newton(a), 1) for a in numbers]
    one_minus = gemmlowp.one_minus_x_over_one_plus_x_for_x_in_0_1(array)
    assert one_minus.tolist() == [c_shift(c_newton(a) - (1 << 29), 2) for a in numbers]


@given(st.lists(int32, min_size=1))
def test_logistic_and_tanh_equal_gemmlowp(numbers: list[int]) -> None:
    array = np.array(numbers)
    assert gemmlowp.logistic(array, 4).tolist() == [c_logistic(a, 4) for a in numbers]
    assert gemmlowp.tanh(array, 4).tolist() == [c_tanh(a, 4) for a in numbers]


@pytest.mark.parametrize("integer_bits", [0, 3, 5])
def test_exp_is_accurate_to_3e_7(integer_bits: int) -> None:
    a = np.linspace(INT32_MIN, 0, 20_001).astype(np.int64)
    real = np.exp(a / 2.0 ** (31 - integer_bits))
    error = gemmlowp.exp_on_negative_values(a, integer_bits) / 2.0**31 - real
    assert np.abs(error).max() < 3e-7


def test_the_others_are_accurate() -> None:
    x = np.linspace(0, INT32_MAX, 20_001).astype(np.int64)
    reciprocal = gemmlowp.one_over_one_plus_x_for_x_in_0_1(x) / 2.0**31
    assert np.abs(reciprocal - 1 / (1 + x / 2.0**31)).max() < 4e-9
    a = np.linspace(-INT32_MAX, INT32_MAX, 20_001).astype(np.int64)
    logistic = gemmlowp.logistic(a, 4) / 2.0**31
    assert np.abs(logistic - 1 / (1 + np.exp(-a / 2.0**27))).max() < 1e-7
    assert np.abs(gemmlowp.tanh(a, 4) / 2.0**31 - np.tanh(a / 2.0**27)).max() < 2e-7


def test_logistic_and_tanh_are_symmetric() -> None:
    a = np.arange(1, 1 << 30, 999_983)
    assert (gemmlowp.logistic(a, 4) + gemmlowp.logistic(-a, 4) == INT32_MAX).all()
    assert (gemmlowp.tanh(a, 4) == -gemmlowp.tanh(-a, 4)).all()
    assert gemmlowp.tanh(np.array([0]), 4)[0] == 0
    assert gemmlowp.logistic(np.array([0]), 4)[0] == 1 << 30


@given(st.lists(st.integers(1, INT32_MAX), min_size=1))
def test_reciprocal_is_accurate_for_every_magnitude(numbers: list[int]) -> None:
    scale, exponent = gemmlowp.reciprocal(np.array(numbers), 12)
    for x, m, e in zip(numbers, scale.tolist(), exponent.tolist(), strict=True):
        assert e == 12 - (32 - x.bit_length())
        assert math.isclose(m * 2.0**-31 * 2.0**-e, 2.0**19 / x, rel_tol=1e-8)
