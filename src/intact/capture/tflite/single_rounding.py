"""Fixed-point multipliers with the codes of a multiplication in float64.

LiteRT's reference kernel of FULLY_CONNECTED computes round(sum * scale) in float64, where TFLite's
other kernels have a fixed-point number of 31 bits and round twice. A `Requant` rounds once where it
does not shift right: its multiplier is then scale * 2**31, rounded down or up. As step functions of
the sum the two are equal if all steps are; where a layer's have none in common for all channels,
each channel gets the multiplier for the steps that it can reach.
"""

from dataclasses import dataclass, replace

import numpy as np

from intact.numerics.arrays import F64, IntArray
from intact.numerics.fixedpoint import Int64Array, Requant
from intact.numerics.special import round_half_away

_UNIT = 1 << 31  # of a multiplier
_HALF = 1 << 30


@dataclass(frozen=True, slots=True)
class Sums:
    """The lowest and highest sum that each channel can reach, (n,), below 2**31 in magnitude."""

    low: Int64Array
    high: Int64Array

    def together(self) -> "Sums":
        """Of all channels."""
        return Sums(self.low.min(keepdims=True), self.high.max(keepdims=True))


def reached(weight: IntArray, bias: IntArray, inputs: tuple[int, int]) -> Sums:
    """Sums of weight (O, I) times inputs from the one to the other, and bias (O,)."""
    positive, negative = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
    lowest, highest = inputs
    offset = bias.astype(np.int64)
    return Sums(
        offset + positive * lowest + negative * highest,
        offset + positive * highest + negative * lowest,
    )


def single_rounding(requant: Requant, scale: F64, sums: Sums) -> Requant:
    """The Requant of clamp(round(sum * scale) + zero_point), for scales (1,) or (O,).

    `requant` has the multipliers that round twice; those of scales from 1/2 on round once already.
    """
    channels = np.broadcast_to(scale, sums.low.shape)
    if scale.size > 1:
        return _with(requant, _multipliers(requant, channels, sums)[0])
    shared, wrong = _multipliers(requant, scale, sums.together())
    if not wrong.any():
        return _with(requant, shared)
    own, left = _multipliers(requant, channels, sums)
    return _with(requant, own if (left < wrong).any() else shared)


def _with(requant: Requant, multiplier: Int64Array) -> Requant:
    right = requant.shift < 0
    return replace(
        requant,
        multiplier=np.where(right, multiplier, requant.multiplier),
        shift=np.broadcast_to(np.where(right, 0, requant.shift), multiplier.shape),
    )


def _multipliers(requant: Requant, scale: F64, sums: Sums) -> tuple[Int64Array, Int64Array]:
    """Scale * 2**31, rounded to where fewer steps are wrong; how many are.

    Multipliers that have all steps are an interval around the real number: one of the two is in it,
    if any integer is.
    """
    column = scale[:, None]
    first = max(int(requant.qmin.min()) - requant.zero_point, int(_codes(sums.low, scale).min()))
    last = min(int(requant.qmax.max()) - requant.zero_point, int(_codes(sums.high, scale).max()))
    steps = np.arange(first + 1, last + 1)
    reaching = _first_sums(steps, column, sums)
    down = np.minimum(np.floor(scale * _UNIT), _UNIT - 2).astype(np.int64)
    wrong = [_wrong_steps(steps, reaching, column, m[:, None]) for m in (down, down + 1)]
    return np.where(wrong[1] < wrong[0], down + 1, down), np.minimum(*wrong)


def _codes(sums: IntArray, scale: F64) -> Int64Array:
    """round(sum * scale), ties away from zero."""
    return round_half_away(sums.astype(np.float64) * scale).astype(np.int64)


def _first_sums(steps: Int64Array, scale: F64, sums: Sums) -> Int64Array:
    """The least sum that reaches each step, (n, steps), by bisection; the highest if none does."""
    shape = np.broadcast_shapes(steps.shape, scale.shape)
    below, reaching = (np.broadcast_to(s[:, None], shape) for s in (sums.low, sums.high))
    while (reaching - below > 1).any():
        middle = (below + reaching) >> 1
        enough = _codes(middle, scale) >= steps
        reaching, below = np.where(enough, middle, reaching), np.where(enough, below, middle)
    return reaching


def _wrong_steps(
    steps: Int64Array, reaching: Int64Array, scale: F64, multiplier: Int64Array
) -> Int64Array:
    """How often a multiplier steps at another sum, (n,)."""
    wrong = np.zeros(len(reaching), np.int64)
    for sums in (reaching - 1, reaching):
        theirs = _codes(sums, scale) >= steps
        ours = (sums * multiplier + _HALF) >> 31 >= steps
        wrong += (theirs != ours).sum(axis=1)
    return wrong
