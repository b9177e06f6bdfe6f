"""Which elements of a tensor share one scale.

Scales keep the tensor's rank and each axis of the scales divides the tensor's, so that per tensor,
per channel and per group are one code path (after google/qwix).
"""

from dataclasses import dataclass
from typing import TypeAlias, assert_never

import numpy as np

from intact.numerics.arrays import Array


@dataclass(frozen=True, slots=True)
class PerTensor:
    """One scale: (64, 32, 3, 3) has scales (1, 1, 1, 1)."""


@dataclass(frozen=True, slots=True)
class PerChannel:
    """One scale for each index of `axis`: (64, 32, 3, 3) has scales (64, 1, 1, 1)."""

    axis: int = 0


@dataclass(frozen=True, slots=True)
class PerGroup:
    """One scale for each output channel and each `size` entries along `axis`.

    PerGroup(32): (64, 128) has scales (64, 4); (64, 32, 3, 3) has scales (64, 1, 1, 1).
    """

    size: int
    axis: int = 1

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a group has at least one channel, not {self.size}")


Granularity: TypeAlias = PerTensor | PerChannel | PerGroup


def scale_shape(shape: tuple[int, ...], granularity: Granularity) -> tuple[int, ...]:
    """Shape of the scales of a tensor of this shape.

    Raises:
        ValueError: if the axis does not exist or is not a multiple of the group size.
    """
    scales = [1] * len(shape)
    match granularity:
        case PerTensor():
            pass
        case PerChannel(axis):
            scales[axis] = _length(shape, axis)
        case PerGroup(size, axis):
            length = _length(shape, axis)
            if length % size:
                raise ValueError(
                    f"axis {axis} of shape {shape} has {length} entries,"
                    f" which is not a multiple of the group size {size}"
                )
            scales[0] = shape[0]
            scales[axis] = length // size
        case _:
            assert_never(granularity)
    return tuple(scales)


def groups_or_channels(shape: tuple[int, ...], size: int) -> PerGroup | PerChannel:
    """Groups of `size` input channels, or whole output channels where `size` does not divide.

    The latter are first convolutions of 3 channels, depthwise ones of 1.
    """
    return PerGroup(size) if shape[1] % size == 0 else PerChannel()


def _length(shape: tuple[int, ...], axis: int) -> int:
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"shape {shape} has no axis {axis}")
    return shape[axis]


def groups(x: Array, scales: tuple[int, ...]) -> Array:
    """View with axis pairs (s_0, n_0/s_0, s_1, n_1/s_1, ...), for reductions over the odd axes."""
    pairs = [part for n, s in zip(x.shape, scales, strict=True) for part in (s, n // s)]
    return x.reshape(pairs)


def stretch(scale: Array, shape: tuple[int, ...]) -> Array:
    """Repeats grouped axes until `scale` broadcasts against a tensor of `shape`.

    A scale of shape () is per tensor for any rank.
    """
    if scale.ndim == 0:
        return scale
    if scale.ndim != len(shape):
        raise ValueError(f"scales of shape {scale.shape} do not fit a tensor of shape {shape}")
    for axis, (s, n) in enumerate(zip(scale.shape, shape, strict=True)):
        if s not in (1, n):
            if n % s:
                raise ValueError(f"scales of shape {scale.shape} do not divide shape {shape}")
            scale = np.repeat(scale, n // s, axis=axis)
    return scale
