"""Nearest: each weight becomes the nearest value of the grid; no data needed."""

from dataclasses import dataclass
from typing import assert_never

import numpy as np
from torch import Tensor

from intact.numerics.arrays import F32, F64, Array
from intact.numerics.formats import Binary, Float, Format, Int, MidRise, PowerOfTwo, Ternary
from intact.numerics.granularity import (
    Granularity,
    PerChannel,
    PerGroup,
    groups,
    groups_or_channels,
    scale_shape,
    stretch,
)
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.observers.params import SMALLEST_SCALE, check_settings, choose_params

_PER_CHANNEL = PerChannel()
_TERNARY_THRESHOLD = 0.7  # of mean|w|: Li & Liu 2016, "Ternary weight networks", eq. 6


@dataclass(frozen=True, slots=True)
class Nearest:
    """Round to nearest, ties to even, with the scale of each group from its own weights.

    - Int: max|w| / qmax, or min and max nudged as for activations if not symmetric.
    - Float of 16 or 32 bits: scale 1, a plain cast. Of 8 bits: max|w| / largest value.
    - Binary: mean|w| (Rastegari et al. 2016, XNOR-Net, eq. 6).
    - MidRise: max|w|, which becomes the grid's largest value.
    - Ternary: 0 where |w| <= 0.7 * mean|w|; the mean of |w| of the others (Li & Liu 2016).
    - PowerOfTwo: max|w|, which becomes the grid's largest value, 1.

    A group of zeros has scale 1.
    """

    format: Format
    granularity: Granularity = _PER_CHANNEL
    symmetric: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.format, Int):
            check_settings(self.format, self.symmetric)
        elif not self.symmetric:
            raise ValueError(f"{self.format} has no zero point: it is symmetric")

    def __call__(self, weight: Tensor, inputs: Tensor | None = None) -> ScaledTensor:  # noqa: ARG002
        """The weight as codes.

        Raises:
            ValueError: if the granularity does not fit the weight's shape.
        """
        w = weight.detach().cpu().float().numpy()
        match self.format:
            case Int():
                params = self._integer(w, self.format)
            case Float():
                largest = self._magnitude(w) / self.format.largest
                scale = largest if self.format.bits == 8 else np.zeros_like(largest)
                params = _symmetric(self.format, scale)
            case Binary():
                params = _symmetric(self.format, self._mean(np.abs(w)))
            case MidRise():
                params = _symmetric(self.format, self._magnitude(w) / self.format.largest)
            case PowerOfTwo():
                params = _symmetric(self.format, self._magnitude(w))
            case Ternary():
                return self._ternary(w)
            case _:
                assert_never(self.format)
        return ScaledTensor(params.quantize(w), params)

    def _integer(self, w: F32, format: Int) -> QuantParams:
        parts = self._groups(w)
        axes = _within(parts)
        scales = scale_shape(w.shape, self.granularity)
        low, high = parts.min(axis=axes).reshape(scales), parts.max(axis=axes).reshape(scales)
        return choose_params(low, high, format, self.symmetric)

    def _ternary(self, w: F32) -> ScaledTensor:
        magnitude = np.abs(w)
        threshold = _TERNARY_THRESHOLD * self._mean(magnitude)
        kept = magnitude > stretch(threshold, w.shape)
        share = self._mean(kept)
        mean = np.divide(self._mean(magnitude * kept), share, where=share > 0, out=share.copy())
        codes = (np.sign(w) * kept).astype(Ternary().storage)
        return ScaledTensor(codes, _symmetric(Ternary(), mean))

    def _groups(self, x: Array) -> Array:
        return groups(x, scale_shape(x.shape, self.granularity))

    def _magnitude(self, w: F32) -> F64:
        parts = np.abs(self._groups(w)).astype(np.float64)
        largest = np.asarray(parts.max(axis=_within(parts)))
        return largest.reshape(scale_shape(w.shape, self.granularity))

    def _mean(self, x: Array) -> F64:
        parts = self._groups(x)
        means = parts.mean(axis=_within(parts), dtype=np.float64)
        return np.asarray(means).reshape(scale_shape(x.shape, self.granularity))


def _within(parts: Array) -> tuple[int, ...]:
    """The axes of `groups` that lie inside of a group."""
    return tuple(range(1, parts.ndim, 2))


def _symmetric(format: Format, scale: F64) -> QuantParams:
    """Parameters without zero point; scale 0 becomes 1."""
    return QuantParams(format, np.where(scale > 0, np.maximum(scale, SMALLEST_SCALE), 1.0))


@dataclass(frozen=True, slots=True)
class NearestInGroups:
    """`Nearest` with a scale for each `size` input channels of an output channel.

    A weight whose input channels `size` does not divide has one scale for each output channel.
    """

    format: Format
    size: int
    symmetric: bool = True

    def __post_init__(self) -> None:
        Nearest(self.format, PerGroup(self.size), self.symmetric)

    def __call__(self, weight: Tensor, inputs: Tensor | None = None) -> ScaledTensor:
        """The weight as codes."""
        granularity = groups_or_channels(tuple(weight.shape), self.size)
        return Nearest(self.format, granularity, self.symmetric)(weight, inputs)
