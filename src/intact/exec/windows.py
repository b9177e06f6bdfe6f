"""Sliding windows as shifted views, over the space axes of any layout."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from intact.ir.float_ops import Pads
from intact.numerics.arrays import Array


def pad_space(x: Array, padding: Pads, first: int, value: float) -> Array:
    """Pads the axes first, first + 1, ... of x with `value`; x itself where nothing is padded."""
    if not any(before or after for before, after in padding):
        return x
    shape = list(x.shape)
    inside: list[slice] = [slice(None)] * x.ndim
    for axis, (before, after) in enumerate(padding, start=first):
        inside[axis] = slice(before, before + x.shape[axis])
        shape[axis] += before + after
    padded = np.full(shape, value, x.dtype)
    padded[tuple(inside)] = x
    return padded


def taps(
    x: Array,
    first: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    out: Sequence[int],
) -> Iterator[Array]:
    """For each kernel position, in row-major order, the view of x that it meets.

    x is padded already; its space axes start at axis `first`, and have `out` entries in the views.
    """
    head = (slice(None),) * first
    for position in product(*map(range, kernel)):
        offsets = [p * d for p, d in zip(position, dilation, strict=True)]
        yield x[
            head
            + tuple(
                slice(o, o + (n - 1) * s + 1, s)
                for o, n, s in zip(offsets, out, stride, strict=True)
            )
        ]
