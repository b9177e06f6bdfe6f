"""The integer arithmetic, normative: gemmlowp's fixed point and `Requant` (arithmetic.md, 2).

Every executor, kernel and export must give the same integers as these functions. They work on
int64 arrays that hold int32 values and follow Jacob et al. 2017, google/gemmlowp
``fixedpoint/fixedpoint.h`` and TFLite's ``MultiplyByQuantizedMultiplier`` (double rounding).
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from intact.numerics.arrays import Array, IntArray

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
Int64Array = NDArray[np.int64]


def saturate32(x: IntArray) -> Int64Array:
    """Clamps to the range of int32."""
    saturated: Int64Array = np.clip(np.asarray(x, np.int64), INT32_MIN, INT32_MAX)
    return saturated


def doubling_high_mul(a: IntArray, b: IntArray) -> Int64Array:
    """round(a * b / 2**31), ties toward +infinity, INT_MIN * INT_MIN saturates (eq. 10).

    gemmlowp's SaturatingRoundingDoublingHighMul.
    """
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    product += 1 << 30
    product >>= 31
    return np.minimum(product, INT32_MAX)


def rounding_divide_by_pot(x: IntArray, exponent: IntArray) -> Int64Array:
    """round(x / 2**exponent), ties away from zero; 0 <= exponent <= 31 (eq. 11).

    gemmlowp's RoundingDivideByPOT.
    """
    exponent = np.asarray(exponent, np.int64)
    # floor((x + half - [x < 0]) / 2**exponent), where half is 0 for exponent 0.
    half = np.where(exponent > 0, np.int64(1) << np.maximum(exponent - 1, 0), 0)
    negative = (x < 0) & (exponent > 0)
    shifted = np.asarray(x, np.int64) + half
    shifted -= negative
    shifted >>= exponent
    return shifted


def quantize_multiplier(real: Array | float) -> tuple[Int64Array, Int64Array]:
    """(multiplier, shift) with real ~ multiplier * 2**(shift - 31) (eq. 12).

    multiplier is in [2**30, 2**31), or 0 where real is 0 or below 2**-32. TFLite's
    QuantizeMultiplier, double-rounding build.

    Raises:
        ValueError: if a number is negative, not finite, or not below 2**30 (rounded to 31 bits).
    """
    numbers = np.asarray(real, np.float64)
    limit = 2.0**30 - 0.25  # from here on the multiplier rounds to 2**30 and needs shift 31
    if not ((numbers >= 0).all() and (numbers < limit).all()):
        raise ValueError(f"a multiplier must be in [0, 2**30), not {real}")
    fraction, shift = np.frexp(numbers)
    # TFLite rounds half away from zero; fractions are not negative here.
    multiplier = np.floor(fraction * (1 << 31) + 0.5).astype(np.int64)
    shift = shift.astype(np.int64)
    carried = multiplier == 1 << 31
    multiplier = np.where(carried, multiplier >> 1, multiplier)
    shift = np.where(carried, shift + 1, shift)
    vanished = (shift < -31) | (multiplier == 0)
    return np.where(vanished, 0, multiplier), np.where(vanished, 0, shift)


def divided_multiplier(multiplier: int, shift: int, count: int) -> tuple[int, int]:
    """(multiplier, shift) of a multiplier by 1 / count, truncated and not normalized (eq. 50).

    TFLite's QuantizedMeanOrSum.
    """
    more = min(count.bit_length() - 1, 31 + shift)
    return (multiplier << more) // count, shift - more


def multiply_by_quantized_multiplier(
    x: IntArray, multiplier: IntArray, shift: IntArray
) -> Int64Array:
    """X * multiplier * 2**(shift - 31), double rounding; x holds int32 (eq. 13).

    The left shift saturates at int32, where TFLite's C would overflow: the result then lies far
    outside every output format, so that only the sign matters.
    """
    shift = np.asarray(shift, np.int64)
    left = np.maximum(shift, 0)
    shifted = np.asarray(x, np.int64) if not left.any() else saturate32(x << left)
    high = doubling_high_mul(shifted, multiplier)
    if (shift == 0).all():
        return high
    return rounding_divide_by_pot(high, np.maximum(-shift, 0))


def multiply_wide(x: IntArray, multiplier: IntArray, shift: IntArray) -> Int64Array:
    """The same for 48-bit accumulators: a 15-bit multiplier, one rounding (eq. 14).

    TFLite's int64 overload, used where activations have 16 bits: (x * m + 2**(14 - shift)) >>
    (15 - shift) with m = (multiplier + 2**15) >> 16, at most 2**15 - 1.
    """
    shift = np.asarray(shift, np.int64)
    reduced = np.minimum((np.asarray(multiplier, np.int64) + (1 << 15)) >> 16, (1 << 15) - 1)
    total = 15 - shift
    rounded: Int64Array = np.asarray(x, np.int64) * reduced + (np.int64(1) << (total - 1))
    return rounded >> total


@dataclass(frozen=True, slots=True, eq=False)
class Requant:
    """Accumulator to code: the only place where a real scale became integers (eq. 15).

    code = clamp(multiply(acc, multiplier, shift) + zero_point, qmin, qmax), where the arrays have
    one entry for each channel of acc's last axis, or a single one.
    """

    multiplier: IntArray  # (C,) or (1,), Q0.31; most in [2**30, 2**31)
    shift: IntArray  # same shape; > 0: left, < 0: right
    zero_point: int
    qmin: IntArray  # (C,) or (1,): a clipped activation may be equalized per channel
    qmax: IntArray
    accumulator_bits: Literal[32, 64] = 32

    def __post_init__(self) -> None:
        if self.multiplier.shape != self.shift.shape or self.multiplier.ndim != 1:
            raise ValueError(
                f"multiplier of shape {self.multiplier.shape}, shift of shape {self.shift.shape}"
            )
        if self.qmin.shape != self.qmax.shape or self.qmin.ndim != 1:
            raise ValueError(f"qmin of shape {self.qmin.shape}, qmax of shape {self.qmax.shape}")
        for name in ("multiplier", "shift", "qmin", "qmax"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.int64))
        if ((self.multiplier < 0) | (self.multiplier > INT32_MAX)).any():
            raise ValueError("a multiplier must be in [0, 2**31)")
        if ((self.shift < -31) | (self.shift > 30)).any():
            raise ValueError("a shift must be in [-31, 30]")
        if self.accumulator_bits == 64 and (self.shift > 14).any():
            raise ValueError("a 64-bit accumulator takes shifts up to 14")

    def __eq__(self, other: object) -> bool:
        """Equal in every entry."""
        if not isinstance(other, Requant):
            return NotImplemented
        names = ("multiplier", "shift", "qmin", "qmax")
        return (self.zero_point, self.accumulator_bits) == (
            other.zero_point,
            other.accumulator_bits,
        ) and all(np.array_equal(getattr(self, n), getattr(other, n)) for n in names)

    def __call__(self, acc: IntArray) -> Int64Array:
        """Codes as int64, shape of acc; channels are acc's last axis."""
        wide = self.accumulator_bits == 64
        multiply = multiply_wide if wide else multiply_by_quantized_multiplier
        scaled = multiply(acc, self.multiplier, self.shift)
        scaled += self.zero_point
        return np.clip(scaled, self.qmin, self.qmax)


def sign_requant(qmin: IntArray, qmax: IntArray, accumulator_bits: Literal[32, 64]) -> Requant:
    """The accumulator's sign, +1 for 0: clamp(2 * acc + 1, -1, 1) within qmin..qmax (eq. 58)."""
    multiplier, shift = quantize_multiplier(np.full(1, 2.0))
    return Requant(multiplier, shift, 1, qmin, qmax, accumulator_bits)


def gives_signs(requant: Requant) -> bool:
    """Whether it is a `sign_requant`."""
    return bool(
        (requant.qmin >= -1).all()
        and (requant.qmax <= 1).all()
        and requant == sign_requant(requant.qmin, requant.qmax, requant.accumulator_bits)
    )


def divided(requant: Requant, count: int) -> Requant:
    """Of the mean of `count` codes, from that of one of them: one multiplier for all channels."""
    multiplier, shift = divided_multiplier(int(requant.multiplier[0]), int(requant.shift[0]), count)
    return replace(requant, multiplier=np.array([multiplier]), shift=np.array([shift]))
