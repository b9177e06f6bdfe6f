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
from intact.numerics.sums import least_sums

_UNIT = 1 << 31  # of a multiplier
_FAR = 1 << 40  # beyond all codes
_BLOCK = 4096  # channels whose steps are in memory at a time


@dataclass(frozen=True, slots=True)
class Sums:
    """The lowest and highest sum that each channel can reach, (n,), below 2**31 in magnitude."""

    low: Int64Array
    high: Int64Array

    def together(self) -> "Sums":
        """Of all channels."""
        return Sums(self.low.min(keepdims=True), self.high.max(keepdims=True))

    def block(self, channels: slice) -> "Sums":
        """Of some channels."""
        return Sums(self.low[channels], self.high[channels])


def single_rounding(requant: Requant, scale: F64, sums: Sums) -> Requant:
    """The Requant nearest to clamp(round(sum * scale) + zero_point), for scales (1,) or (O,).

    `requant` is the one that rounds twice, which stays where it has no more wrong steps.
    """
    if scale.size > 1:
        return _of_channels(requant, scale, sums)[0]
    shared, wrong = _best(requant, scale, sums.together())
    if not wrong.any():
        return shared
    own, left = _of_channels(requant, scale, sums)
    return own if (left < wrong).any() else shared


def _of_channels(requant: Requant, scale: F64, sums: Sums) -> tuple[Requant, Int64Array]:
    """`_best` of each channel by itself, (O,)."""
    size = sums.low.size
    real = np.broadcast_to(scale, size)
    multiplier, shift = (np.broadcast_to(n, size) for n in (requant.multiplier, requant.shift))
    found = []
    for start in range(0, size, _BLOCK):
        part = slice(start, start + _BLOCK)
        twice = replace(requant, multiplier=multiplier[part], shift=shift[part])
        found.append(_best(twice, real[part], sums.block(part)))
    made = replace(
        requant,
        multiplier=np.concatenate([best.multiplier for best, _ in found]),
        shift=np.concatenate([best.shift for best, _ in found]),
    )
    return made, np.concatenate([wrong for _, wrong in found])


def _best(requant: Requant, scale: F64, sums: Sums) -> tuple[Requant, Int64Array]:
    """The multipliers (n,) with the fewest wrong steps, and how many these are.

    Those that round once and have all steps are an interval around the real number: of the two
    integers beside that, one is in it, if any integer is.
    """
    column = scale[:, None]
    first = max(int(requant.qmin.min()) - requant.zero_point, int(_codes(sums.low, scale).min()))
    last = min(int(requant.qmax.max()) - requant.zero_point, int(_codes(sums.high, scale).max()))
    steps = np.arange(first + 1, last + 1)
    reaching = least_sums(
        lambda acc: _codes(acc, column), steps, sums.low[:, None], sums.high[:, None]
    )
    down = np.minimum(np.floor(scale * _UNIT), _UNIT - 2).astype(np.int64)
    once = np.zeros_like(down)
    candidates = [(requant.multiplier, requant.shift), (down, once), (down + 1, once)]
    wrong = np.stack(
        [_wrong_steps(steps, reaching, column, m[:, None], n[:, None]) for m, n in candidates]
    )
    best = wrong.argmin(axis=0)
    multiplier, shift = (np.choose(best, numbers) for numbers in zip(*candidates, strict=True))
    return replace(requant, multiplier=multiplier, shift=shift), wrong.min(axis=0)


def _codes(sums: IntArray, scale: F64) -> Int64Array:
    """round(sum * scale), ties away from zero."""
    scaled = round_half_away(sums.astype(np.float64) * scale)
    return np.clip(scaled, -_FAR, _FAR).astype(np.int64)


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
