"""`Requant` at speed: the same integers (arithmetic.md, eq. 13 to 15), in blocks in the cache."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from intact.numerics.arrays import Array, IntArray
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN, Int64Array, Requant

Finish: TypeAlias = Callable[[Array, Array], None]

_BLOCK = 1 << 14  # elements of one block: its int64 temporaries stay in the L2 cache


def requantizer(requant: Requant, channels: int, offset: IntArray) -> Finish:
    """A function (acc, out) that writes requant(acc + offset) to `out`.

    acc (..., channels) holds integers in any dtype, float32 below 2**24 and float64 below 2**53;
    `out` has its shape; both are contiguous. `offset` has shape (channels,) or (1,).
    """
    rows = max(1, _BLOCK // max(1, channels))

    def spread(vector: IntArray) -> Int64Array:
        """One entry for each element of a block; a single one where all agree."""
        values = np.asarray(vector, np.int64)
        same = values.size == 1 or bool((values == values[0]).all())
        return values[:1].copy() if same else np.tile(values, rows)

    multiply = (_wide if requant.accumulator_bits == 64 else _narrow)(requant, spread)
    offset, qmin, qmax = spread(offset), spread(requant.qmin), spread(requant.qmax)
    size = rows * channels

    def finish(acc: Array, out: Array) -> None:
        source, target = acc.reshape(-1), out.reshape(-1)
        for start in range(0, source.size, size):
            values = _to_int64(source[start : start + size])
            count = values.size
            values += offset[:count]
            multiply(values)
            np.maximum(values, qmin[:count], out=values)
            np.minimum(values, qmax[:count], out=values)
            target[start : start + count] = values

    return finish


def _to_int64(values: Array) -> Int64Array:
    # By way of int32: float32 to int64 has no vector instruction below AVX-512.
    narrow = values.astype(np.int32) if values.dtype == np.float32 else values
    return narrow.astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Narrow:
    """Eq. 13, plus the zero point, in place."""

    multiplier: Int64Array
    left: Int64Array
    right: Int64Array
    half: Int64Array  # half of 2**right, and the zero point times 2**right
    shifts_right: Int64Array  # 1 where right > 0

    def __call__(self, values: Int64Array) -> None:
        count = values.size
        if self.left.any():
            values <<= self.left[:count]
            np.clip(values, INT32_MIN, INT32_MAX, out=values)
        values *= self.multiplier[:count]
        values += 1 << 30
        values >>= 31
        # Ties away from zero: floor((x + half - [x < 0]) / 2**right), unless right is 0.
        negative = values >> 63
        if not self.shifts_right.all():
            negative *= self.shifts_right[:count]
        values += negative
        values += self.half[:count]
        values >>= self.right[:count]


def _narrow(requant: Requant, spread: Callable[[IntArray], Int64Array]) -> _Narrow:
    right = np.maximum(-requant.shift, 0)
    half = ((np.int64(1) << right) >> 1) + (np.int64(requant.zero_point) << right)
    return _Narrow(
        multiplier=spread(requant.multiplier),
        left=spread(np.maximum(requant.shift, 0)),
        right=spread(right),
        half=spread(half),
        shifts_right=spread((right > 0).astype(np.int64)),
    )


@dataclass(frozen=True, slots=True)
class _Wide:
    """Eq. 14, plus the zero point, in place."""

    multiplier: Int64Array  # 15 bits
    right: Int64Array
    half: Int64Array
    zero_point: int  # not part of `half`: shifted by up to 46 bits, it would not fit

    def __call__(self, values: Int64Array) -> None:
        count = values.size
        values *= self.multiplier[:count]
        values += self.half[:count]
        values >>= self.right[:count]
        values += self.zero_point


def _wide(requant: Requant, spread: Callable[[IntArray], Int64Array]) -> _Wide:
    reduced = np.minimum((requant.multiplier + (1 << 15)) >> 16, (1 << 15) - 1)
    right = 15 - requant.shift
    half = np.int64(1) << (right - 1)
    return _Wide(spread(reduced), spread(right), spread(half), requant.zero_point)
