"""Whether the multiplier that a TFLite kernel derives gives the same codes as a `Requant`.

TFLite files hold real scales, of which each kernel makes its integers when it is loaded. Where
those integers are not the Program's, the codes may still be: a Requant is a step function of the
accumulator, and two of them are equal if all their steps are.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np

from intact.numerics.arrays import F64, Array, IntArray
from intact.numerics.fixedpoint import INT32_MAX, Int64Array, Requant, quantize_multiplier
from intact.numerics.special import round_half_away
from intact.numerics.sums import least_sums


def requant_of(real: Array | float, like: Requant, bits: Literal[32, 64] = 32) -> Requant | None:
    """`like` with the multipliers that TFLite makes of real numbers (n,); None if it cannot.

    `bits` are those of the kernel's accumulator.
    """
    try:
        multiplier, shift = quantize_multiplier(np.atleast_1d(np.asarray(real, np.float64)))
        return replace(like, multiplier=multiplier, shift=shift, accumulator_bits=bits)
    except ValueError:
        return None


def same_codes(ours: Requant, theirs: Requant, low: IntArray | int, high: IntArray | int) -> bool:
    """Whether both give the same codes for every accumulator of [low, high].

    `low` and `high` are scalars or have one entry for each channel. TFLite's left shift of 32 bits
    wraps where ours saturates, so that it must not be reached.
    """
    channels = max(
        np.size(n)
        for n in (ours.multiplier, ours.qmin, ours.qmax, theirs.multiplier, theirs.qmin, low, high)
    )
    lows, highs = (np.broadcast_to(np.asarray(n, np.int64), channels) for n in (low, high))
    if _wraps(theirs, lows, highs):
        return False
    different = np.broadcast_to(
        (ours.zero_point, ours.accumulator_bits) != (theirs.zero_point, theirs.accumulator_bits),
        channels,
    )
    for name in ("multiplier", "shift", "qmin", "qmax"):
        different = different | (getattr(ours, name) != getattr(theirs, name))
    return all(
        _same_steps(_channel(ours, i), _channel(theirs, i), int(lows[i]), int(highs[i]))
        for i in np.flatnonzero(different).tolist()
    )


def _wraps(requant: Requant, low: Int64Array, high: Int64Array) -> bool:
    if requant.accumulator_bits == 64:
        return False
    largest = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    return bool((largest * 2.0 ** np.maximum(requant.shift, 0) > INT32_MAX).any())


def _channel(requant: Requant, index: int) -> Requant:
    def entry(array: IntArray) -> IntArray:
        return array[index : index + 1] if array.size > 1 else array

    return replace(
        requant,
        multiplier=entry(requant.multiplier),
        shift=entry(requant.shift),
        qmin=entry(requant.qmin),
        qmax=entry(requant.qmax),
    )


def rounds_once(ours: Requant, real: F64, low: IntArray, high: IntArray) -> bool:
    """Whether `ours` is round(acc * real), ties away from zero, on [low, high] of each channel.

    LiteRT's reference kernel of FULLY_CONNECTED computes this in float64.
    """

    def rounded(channel: Requant, number: float) -> Callable[[Int64Array], Int64Array]:
        def codes(acc: Int64Array) -> Int64Array:
            scaled = round_half_away(acc.astype(np.float64) * number).astype(np.int64)
            return np.clip(scaled + channel.zero_point, channel.qmin, channel.qmax)

        return codes

    return all(
        _same_steps(channel, rounded(channel, float(number)), int(least), int(most))
        for channel, number, least, most in zip(
            (_channel(ours, i) for i in range(low.size)), real, low, high, strict=True
        )
    )


def _same_steps(
    ours: Requant, theirs: Callable[[Int64Array], Int64Array], low: int, high: int
) -> bool:
    ends = np.array([low, high])
    first, last = ours(ends)
    if not np.array_equal(theirs(ends), [first, last]):
        return False
    codes = np.arange(first + 1, last + 1)
    steps = least_sums(ours, codes, low, high)
    return bool((theirs(steps) >= codes).all() and (theirs(steps - 1) < codes).all())
