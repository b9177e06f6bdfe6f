"""LeastSquares: the scale of each group of weights with the smallest squared error.

A range that leaves out a few large weights has finer steps for all others.

1. Sakr et al. 2022, "Optimal clipping and magnitude-aware differentiation for improved
   quantization-aware training" (OCTAV), eq. 6: with the threshold s = qmax * scale, a weight inside
   errs by s**2 / (12 qmax**2) on average and one outside by (|w| - s)**2. Newton's method for the
   smallest sum is

       s <- sum of |w| > s / (count of 0 < |w| <= s / (12 qmax**2) + count of |w| > s),

   whose 1 / (12 qmax**2) is the paper's 4**-bits / 3 where qmax = 2**(bits - 1).
2. That takes errors inside for evenly spread, which few bits and few weights are not: the true
   error decides between thresholds around s, and the whole range.
3. For given codes q (relative to the zero point) the best scale is <w, q> / <q, q>; these scales
   and the nearest codes for them are taken in turn as long as the error falls.

So no group's error is above that of `Nearest`.
"""

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from intact.numerics.arrays import F32, F64, Codes
from intact.numerics.formats import Int
from intact.numerics.granularity import (
    Granularity,
    PerChannel,
    PerGroup,
    groups,
    groups_or_channels,
    scale_shape,
)
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.observers.params import SMALLEST_SCALE, check_settings, choose_params

_PER_CHANNEL = PerChannel()
_NEWTON = 8  # steps; OCTAV needs fewer than this
_AROUND: list[float] = [2.0 ** (i / 12) for i in range(-12, 13)]  # times the threshold of OCTAV
_IN_TURN = 4  # rounds of scales and codes
_BLOCK = 1 << 16  # weights that are searched at once: they stay in the cache


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """Round to nearest with the scale of each group that has the smallest squared error.

    If not symmetric, both ends of a group's range shrink by the same factor.
    """

    format: Int
    granularity: Granularity = _PER_CHANNEL
    symmetric: bool = True

    def __post_init__(self) -> None:
        check_settings(self.format, self.symmetric)

    def __call__(self, weight: Tensor, inputs: Tensor | None = None) -> ScaledTensor:  # noqa: ARG002
        """The weight as codes.

        Raises:
            ValueError: if the granularity does not fit the weight's shape.
        """
        w = weight.detach().cpu().float().numpy()
        shape = scale_shape(w.shape, self.granularity)
        rows = _rows(w, shape)
        # Relative to a power of two near each group's largest: or tiny weights' squares vanish.
        exponents = np.frexp(np.abs(rows).max(axis=1))[1]
        rows = np.ldexp(rows, -exponents[:, None])
        size = max(1, _BLOCK // rows.shape[1])
        parts = [self._search(rows[i : i + size]) for i in range(0, len(rows), size)]
        scale = np.ldexp(np.concatenate([part.scale for part in parts]), exponents)
        offset = np.concatenate([part.offset for part in parts])
        params = QuantParams(
            self.format,
            np.maximum(scale, SMALLEST_SCALE).reshape(shape),
            None if self.symmetric else offset.reshape(shape),
        )
        return ScaledTensor(params.quantize(w), params)

    def _search(self, rows: F32) -> "_Grids":
        low, high = rows.min(axis=1), rows.max(axis=1)
        best = self._grids(rows, low, high)
        magnitude = np.abs(rows).max(axis=1)
        centre = octav(rows, self._qmax) / np.where(magnitude > 0, magnitude, 1)
        for factor in _AROUND:
            part = np.minimum(centre * factor, 1)
            best = best.or_better(self._grids(rows, low * part, high * part))
        for _ in range(_IN_TURN):
            best = best.or_better(best.fitted(rows, self.format))
        return best

    def _grids(self, rows: F32, low: F64, high: F64) -> "_Grids":
        params = choose_params(low, high, self.format, self.symmetric)
        return _Grids.of(rows, params.scale, params.offset, self.format)

    @property
    def _qmax(self) -> float:
        """Steps from the middle of the grid to its end."""
        codes = self.format
        return codes.qmax if self.symmetric else (codes.qmax - codes.qmin) / 2


@dataclass(frozen=True, slots=True)
class LeastSquaresInGroups:
    """`LeastSquares` with a scale for each `size` input channels of an output channel.

    A weight whose input channels `size` does not divide has one scale for each output channel.
    """

    format: Int
    size: int
    symmetric: bool = True

    def __post_init__(self) -> None:
        LeastSquares(self.format, PerGroup(self.size), self.symmetric)

    def __call__(self, weight: Tensor, inputs: Tensor | None = None) -> ScaledTensor:
        """The weight as codes."""
        granularity = groups_or_channels(tuple(weight.shape), self.size)
        return LeastSquares(self.format, granularity, self.symmetric)(weight, inputs)


@dataclass(frozen=True, slots=True)
class _Grids:
    """A scale and a zero point for each row of weights, and the squared errors that they make."""

    scale: F32  # (rows,)
    offset: Codes  # (rows,)
    error: F64  # (rows,)

    @classmethod
    def of(cls, rows: F32, scale: F32, offset: Codes, format: Int) -> "_Grids":
        error = _levels(rows, scale, offset, format)
        error *= scale[:, None]
        error -= rows
        np.square(error, out=error)
        return cls(scale, offset, error.sum(axis=1, dtype=np.float64))

    def or_better(self, other: "_Grids") -> "_Grids":
        """The better of the two for each row; this one's where they are equal."""
        better = other.error < self.error
        return _Grids(
            np.where(better, other.scale, self.scale),
            np.where(better, other.offset, self.offset),
            np.where(better, other.error, self.error),
        )

    def fitted(self, rows: F32, format: Int) -> "_Grids":
        """With the best scales for these codes."""
        levels = _levels(rows, self.scale, self.offset, format)
        norm = np.einsum("ij,ij->i", levels, levels)
        product = np.einsum("ij,ij->i", levels, rows)
        fits = (norm > 0) & (product > 0)
        scale = np.divide(product, norm, out=self.scale.copy(), where=fits)
        return _Grids.of(rows, scale, self.offset, format)


def octav(rows: F32, qmax: float) -> F64:
    """The clipping threshold of each row, at most max|w|; `qmax` steps reach up to it."""
    magnitude = np.abs(rows)
    largest = magnitude.max(axis=1)
    nonzero = np.count_nonzero(magnitude, axis=1)
    threshold = np.divide(magnitude.sum(axis=1), nonzero, out=largest.copy(), where=nonzero > 0)
    for _ in range(_NEWTON):
        outside = magnitude > threshold[:, None]
        count = np.count_nonzero(outside, axis=1)
        total = np.where(outside, magnitude, 0).sum(axis=1, dtype=np.float64)
        inside = (nonzero - count) / (12 * qmax**2)
        threshold = np.divide(
            total, inside + count, out=largest.astype(np.float64), where=count > 0
        )
    return np.asarray(np.minimum(threshold, largest), np.float64)


def _levels(rows: F32, scale: F32, offset: Codes, format: Int) -> F32:
    """The nearest codes relative to the zero point, as real numbers."""
    levels = rows / scale[:, None]
    np.rint(levels, out=levels)
    low, high = format.qmin - offset, format.qmax - offset
    return np.clip(levels, low[:, None], high[:, None], out=levels)


def _rows(w: F32, scales: tuple[int, ...]) -> F32:
    """The weights (groups, weights of a group), groups in the order of `scales`."""
    parts = groups(w, scales)
    order = (*range(0, parts.ndim, 2), *range(1, parts.ndim, 2))
    return np.ascontiguousarray(parts.transpose(order)).reshape(math.prod(scales), -1)
