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
from intact.numerics.fixedpoint import Int64Array, Requant, multiply_by_quantized_multiplier
from intact.numerics.special import round_half_away

_UNIT = 1 << 31  # of a multiplier


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
    """The Requant nearest to clamp(round(sum * scale) + zero_point), for scales (1,) or (O,).

    `requant` is the one that rounds twice, which stays where it has no more wrong steps.
    """
    channels = np.broadcast_to(scale, sums.low.shape)
    if scale.size > 1:
        return _best(requant, channels, sums)[0]
    shared, wrong = _best(requant, scale, sums.together())
    if not wrong.any():
        return shared
    own, left = _best(requant, channels, sums)
    return own if (left < wrong).any() else shared


def _best(requant: Requant, scale: F64, sums: Sums) -> tuple[Requant, Int64Array]:
    """The multipliers with the fewest wrong steps, and how many these are.

    Those that round once and have all steps are an interval around the real number: of the two
    integers beside that, one is in it, if any integer is.
    """
    column = scale[:, None]
    first = max(int(requant.qmin.min()) - requant.zero_point, int(_codes(sums.low, scale).min()))
    last = min(int(requant.qmax.max()) - requant.zero_point, int(_codes(sums.high, scale).max()))
    steps = np.arange(first + 1, last + 1)
    reaching = _first_sums(steps, column, sums)
    down = np.minimum(np.floor(scale * _UNIT), _UNIT - 2).astype(np.int64)
    once = np.zeros_like(down)
    twice = (np.broadcast_to(m, down.shape) for m in (requant.multiplier, requant.shift))
    candidates = [tuple(twice), (down, once), (down + 1, once)]
    wrong = np.stack(
        [_wrong_steps(steps, reaching, column, m[:, None], n[:, None]) for m, n in candidates]
    )
    best = wrong.argmin(axis=0)
    multiplier, shift = (np.choose(best, numbers) for numbers in zip(*candidates, strict=True))
    return replace(requant, multiplier=multiplier, shift=shift), wrong.min(axis=0)


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
    steps: Int64Array, reaching: Int64Array, scale: F64, multiplier: IntArray, shift: IntArray
) -> Int64Array:
    """How often a multiplier steps at another sum, (n,)."""
    wrong = np.zeros(len(reaching), np.int64)
    for sums in (reaching - 1, reaching):
        theirs = _codes(sums, scale) >= steps
        ours = multiply_by_quantized_multiplier(sums, multiplier, shift) >= steps
        wrong += (theirs != ours).sum(axis=1)
    return wrong
