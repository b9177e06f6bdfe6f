"""Pooling and resizing of real numbers, channels first."""

from collections.abc import Callable, Sequence

import numpy as np

from intact.exec.windows import pad_space, taps
from intact.ir import float_ops as ops
from intact.ir.int_ops import QAvgPool2d
from intact.ir.windows import adaptive_windows, windows, with_overhang
from intact.numerics.arrays import F32, Array, IntArray


def max_pool(op: ops.MaxPool, x: F32) -> F32:
    """The largest value of each window; padding never wins."""
    padded = pad_space(x, op.padding, 2, -np.inf)
    out = windows(x.shape[2:], op.kernel, op.stride, op.dilation, op.padding)
    views = taps(padded, 2, op.kernel, op.stride, op.dilation, out)
    result = next(views).copy()
    for view in views:
        np.maximum(result, view, out=result)
    return result


def avg_pool(op: ops.AvgPool, x: F32) -> F32:
    """Sum over each window divided by the number of taps that count."""
    padding = with_overhang(op.padding, op.overhang)
    dilation = (1,) * len(op.kernel)
    out = windows(x.shape[2:], op.kernel, op.stride, dilation, padding)
    views = taps(pad_space(x, padding, 2, 0.0), 2, op.kernel, op.stride, dilation, out)
    result: F32 = next(views).copy()
    for view in views:
        result += view
    result /= window_counts(op, x.shape[2:], out).astype(np.float32)
    return result


def window_counts(
    op: ops.AvgPool | QAvgPool2d, space: Sequence[int], out: Sequence[int]
) -> IntArray:
    """Taps that count in each window: shape `out`. The overhang never counts."""
    counts = np.ones((), np.int64)
    for axis, size in enumerate(space):
        before, after = op.padding[axis]
        low, high = (-before, size + after) if op.count_include_pad else (0, size)
        counts = np.multiply.outer(
            counts, _valid_taps(op.kernel[axis], op.stride[axis], before, out[axis], low, high)
        )
    return counts


def _valid_taps(kernel: int, stride: int, before: int, out: int, low: int, high: int) -> IntArray:
    """How many positions of each window along one axis lie in low .. high - 1."""
    start = np.arange(out) * stride - before
    return np.minimum(start + kernel, high) - np.maximum(start, low)


def adaptive_avg_pool(op: ops.AdaptiveAvgPool, x: F32) -> F32:
    """Axis by axis: the mean of a rectangle is the mean of its rows' means."""
    for axis, out in enumerate(op.size, start=2):
        head = (slice(None),) * axis
        parts = adaptive_windows(x.shape[axis], out)
        means = [x[(*head, part)].mean(axis=axis, dtype=np.float32) for part in parts]
        x = np.stack(means, axis=axis)
    return x


def nearest_indices(size: int, out: int) -> IntArray:
    """Source index floor(i * size / out) of each output."""
    return np.arange(out) * size // out


def resize_nearest(size: Sequence[int], x: Array, first: int) -> Array:
    """Resizes the axes first, first + 1, ... of x; any dtype."""
    for axis, out in enumerate(size, start=first):
        x = x.take(nearest_indices(x.shape[axis], out), axis=axis)
    return x


def resize_bilinear(op: ops.ResizeBilinear, x: F32) -> F32:
    """Linear interpolation along height, then width."""
    for axis, out in enumerate(op.size, start=2):
        size = x.shape[axis]
        source = _source(op.align_corners)(size, out)
        low = np.minimum(source.astype(np.int64), size - 1)
        high = np.minimum(low + 1, size - 1)
        weight = (source - low).astype(np.float32)
        weight = weight.reshape(-1, *(1,) * (x.ndim - axis - 1))
        x = x.take(low, axis=axis) * (1 - weight) + x.take(high, axis=axis) * weight
    return x


def _source(align_corners: bool) -> Callable[[int, int], Array]:
    """Source coordinate of each output index."""

    def aligned(size: int, out: int) -> Array:
        return np.asarray(np.arange(out) * ((size - 1) / max(out - 1, 1)))

    def half_pixel(size: int, out: int) -> Array:
        return np.asarray(np.maximum((np.arange(out) + 0.5) * (size / out) - 0.5, 0.0))

    return aligned if align_corners else half_pixel
