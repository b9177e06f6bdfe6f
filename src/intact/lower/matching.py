"""The bias and multiplier with which an integer layer rounds as the real one (eq. 57).

A code begins where the sum of products, an integer, reaches a threshold. Requant has thresholds of
its own, of the accumulator 2**shift * sum + bias. There are 2**shift accumulators to a sum, so that
the bias has room to bring all of them between the right sums, whatever Requant's own roundings; if
that is not enough, multipliers next to the nearest one move them against each other.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from intact.lower.accumulators import Terms
from intact.numerics.arrays import F64, IntArray
from intact.numerics.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    Requant,
    multiply_by_quantized_multiplier,
)

Mask: TypeAlias = NDArray[np.bool_]
_NEAR = np.arange(-3, 5)  # accumulators around where a code should begin; roundings move it by 2
_STRETCHES = tuple(sign * n * 2.0**-13 for n in range(1, 9) for sign in (1, -1))


def matched(
    nearest: IntArray, terms: Terms, shift: int, requant: Requant, output_scale: float
) -> tuple[IntArray, Requant]:
    """A bias (O,) with which every reachable sum has the real layer's code, and its Requant.

    It is that next to `nearest` where one does for the nearest multiplier. Where none does for any,
    it lies between those that are right for some codes, if more begin where they should.
    """
    codes = np.arange(requant.qmin.min() + 1, requant.qmax.max() + 1)[:, None]
    if not codes.size:
        return nearest, requant
    real = (codes - requant.zero_point - 0.5) * output_scale
    reach = terms.reach
    sums = np.clip(np.ceil((real - terms.bias) / terms.unit(0)), -reach, reach + 1)
    wanted = (codes > requant.qmin) & (codes <= requant.qmax) & (requant.multiplier > 0)
    steps = _Steps(codes, sums, wanted & (sums <= reach), wanted & (sums > -reach), shift)
    made = requant
    low, high = steps.biases(made)
    # More codes than accumulators to a sum hardly fit, whatever the multiplier.
    for stretch in _STRETCHES if len(codes) <= 1 << shift else ():
        if (low <= high).all():
            break
        other = _stretched(requant, stretch, low.shape)
        lowest, highest = steps.biases(other)
        better = (low > high) & (highest - lowest > high - low)
        made = _chosen(made, other, better)
        low, high = np.where(better, lowest, low), np.where(better, highest, high)
    found = np.where(low <= high, np.clip(nearest, low, high), (low + high) // 2)
    better = steps.wrong(made, found) < steps.wrong(requant, nearest)
    better &= np.abs(found) + reach * 2.0**shift < INT32_MAX
    return np.where(better, found, nearest).astype(nearest.dtype), _chosen(requant, made, better)


@dataclass(frozen=True, slots=True)
class _Steps:
    """Where the codes (K, 1) of the channels (O,) begin."""

    codes: IntArray
    sums: F64  # (K, O): from which sum on, within what is reached
    passed: Mask  # (K, O): whether there is such a sum
    missed: Mask  # whether there is a lower one
    shift: int

    def biases(self, requant: Requant) -> tuple[IntArray, IntArray]:
        """The lowest and the highest that are right; the former is higher if there is none."""
        begin = self._lowest(requant)
        far = np.int64(1) << 40
        low = np.where(self.passed, begin, -far).max(axis=0)
        high = np.where(self.missed, begin + (1 << self.shift) - 1, far).min(axis=0)
        return low, high

    def wrong(self, requant: Requant, bias: IntArray) -> IntArray:
        """How many codes do not begin where they should, with a bias (O,)."""
        begin = self._lowest(requant)
        late = self.passed & (bias < begin)
        early = self.missed & (bias >= begin + (1 << self.shift))
        return np.asarray((late | early).sum(axis=0))

    def _lowest(self, requant: Requant) -> IntArray:
        """The least bias with which each code begins early enough."""
        return _begins(self.codes, requant) - (self.sums * 2.0**self.shift).astype(np.int64)


def _begins(codes: IntArray, requant: Requant) -> IntArray:
    """The least accumulator of each code (K, 1), before the clamp: (K, O)."""
    scale = np.maximum(requant.multiplier, 1) * 2.0 ** (requant.shift - 31.0)
    guess: F64 = np.floor((codes - requant.zero_point - 0.5) / scale)
    near = np.clip(guess, INT32_MIN + 8, INT32_MAX - 8).astype(np.int64) + _NEAR[:, None, None]
    found = multiply_by_quantized_multiplier(near, requant.multiplier, requant.shift)
    below = found + requant.zero_point < codes
    return np.asarray(near[0] + below.sum(axis=0))


def _stretched(requant: Requant, stretch: float, shape: tuple[int, ...]) -> Requant:
    """With multipliers larger by a share, one for each channel."""
    larger = np.rint(requant.multiplier * (1 + stretch)).astype(np.int64)
    larger = np.clip(larger, np.minimum(requant.multiplier, 1 << 30), INT32_MAX)
    multiplier, shift = (np.broadcast_to(array, shape) for array in (larger, requant.shift))
    return replace(requant, multiplier=multiplier, shift=shift)


def _chosen(requant: Requant, other: Requant, where: Mask) -> Requant:
    if other is requant or not where.any():
        return requant
    multiplier = np.where(where, other.multiplier, requant.multiplier)
    return replace(requant, multiplier=multiplier, shift=other.shift)
