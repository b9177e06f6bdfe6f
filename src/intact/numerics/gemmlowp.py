"""gemmlowp's fixed-point exp, reciprocal, logistic and tanh (arithmetic.md, sections 6 and 7).

A number in Qm.n, m + n = 31, is an int32 that stands for itself / 2**n; arrays are int64 and hold
int32 values. After google/gemmlowp ``fixedpoint/fixedpoint.h``, operation for operation; Jacob et
al. 2017, appendix A.
"""

import numpy as np

from intact.numerics.arrays import IntArray
from intact.numerics.fixedpoint import (
    INT32_MAX,
    Int64Array,
    doubling_high_mul,
    rounding_divide_by_pot,
    saturate32,
)

_EXP_MINUS_EIGHTH = 1895147668  # exp(-1/8), Q0.31
_THIRD = 715827883  # 1/3, Q0.31
# (e, exp(-2**e) in Q0.31): the factors that a binary exponent picks from.
_EXP_FACTORS = (
    (-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535),
    (3, 720401), (4, 242),
)  # fmt: skip
_FORTY_EIGHT_SEVENTEENTHS = 1515870810  # Q2.29
_MINUS_THIRTY_TWO_SEVENTEENTHS = -1010580540  # Q2.29


def _times(a: IntArray, b: IntArray | int) -> Int64Array:
    """Product: integer bits add up."""
    return doubling_high_mul(a, np.asarray(b, np.int64))


def _half(x: IntArray, exponent: int) -> Int64Array:
    """X / 2**exponent, ties away from zero."""
    return rounding_divide_by_pot(x, np.asarray(exponent))


def saturating_left_shift(x: IntArray, bits: int) -> Int64Array:
    """X * 2**bits, saturated to int32: the same number with `bits` fewer integer bits."""
    return saturate32(np.asarray(x, np.int64) << bits)


def _exp_near_zero(a: IntArray) -> Int64Array:
    """exp(a) for a in [-1/4, 0), Q0.31: four terms of Taylor's series around -1/8."""
    x = a + (1 << 28)
    x2 = _times(x, x)
    x3 = _times(x2, x)
    x4 = _times(x2, x2)
    tail = _half(_times(_half(x4, 2) + x3, _THIRD) + x2, 1)
    return _EXP_MINUS_EIGHTH + _times(x + tail, _EXP_MINUS_EIGHTH)


def exp_on_negative_values(a: IntArray, integer_bits: int) -> Int64Array:
    """exp(a) in Q0.31 for a <= 0 with up to 5 integer bits; exp(0) is 2**31 - 1.

    A remainder in [-1/4, 0) goes through the series; each bit of the rest multiplies by a constant.
    """
    a = np.asarray(a, np.int64)
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    remainder = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(saturating_left_shift(remainder, integer_bits))
    rest = remainder - a
    for exponent, factor in _EXP_FACTORS:
        if integer_bits > exponent:
            bit = 1 << (fraction_bits + exponent)
            result = np.where(rest & bit, _times(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def _newton_reciprocal(a: IntArray) -> Int64Array:
    """2 / (1 + a) in Q2.29 for a in [0, 1], Q0.31: three Newton steps from 48/17 - 32/17 * d."""
    half_denominator = (np.asarray(a, np.int64) + INT32_MAX + 1) >> 1
    x = _FORTY_EIGHT_SEVENTEENTHS + _times(half_denominator, _MINUS_THIRTY_TWO_SEVENTEENTHS)
    for _ in range(3):
        error = (1 << 29) - _times(half_denominator, x)
        x = x + saturating_left_shift(_times(x, error), 2)
    return x


def one_over_one_plus_x_for_x_in_0_1(a: IntArray) -> Int64Array:
    """1 / (1 + a) in Q0.31 for a in [0, 1], Q0.31."""
    return saturating_left_shift(_newton_reciprocal(a), 1)


def one_minus_x_over_one_plus_x_for_x_in_0_1(a: IntArray) -> Int64Array:
    """(1 - a) / (1 + a) in Q0.31 for a in [0, 1], Q0.31."""
    return saturating_left_shift(_newton_reciprocal(a) - (1 << 29), 2)


def logistic(a: IntArray, integer_bits: int) -> Int64Array:
    """1 / (1 + exp(-a)) in Q0.31."""
    a = np.asarray(a, np.int64)
    upper = one_over_one_plus_x_for_x_in_0_1(exp_on_negative_values(-np.abs(a), integer_bits))
    return np.where(a == 0, 1 << 30, np.where(a > 0, upper, INT32_MAX - upper))


def tanh(a: IntArray, integer_bits: int) -> Int64Array:
    """Hyperbolic tangent in Q0.31: (1 - exp(-2a)) / (1 + exp(-2a)); up to 4 integer bits."""
    a = np.asarray(a, np.int64)
    doubled = exp_on_negative_values(-np.abs(a), integer_bits + 1)
    upper = one_minus_x_over_one_plus_x_for_x_in_0_1(doubled)
    return np.where(a == 0, 0, np.where(a > 0, upper, -upper))


def reciprocal(x: IntArray, integer_bits: int) -> tuple[Int64Array, Int64Array]:
    """(m, e) with 1 / x = m * 2**-31 * 2**-e for x > 0 with `integer_bits` (TFLite GetReciprocal).

    m is in Q0.31; e is the number of x's bits above its unit.
    """
    x = np.asarray(x, np.int64)
    headroom = 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)  # leading zeros of uint32
    scale = one_over_one_plus_x_for_x_in_0_1((x << headroom) - (1 << 31))
    return scale, integer_bits - headroom
