"""Pooling, means, resizing."""

import math
from collections.abc import Sequence

from intact.capture.builder import Call, Operand, scalar
from intact.ir import float_ops as ops
from intact.ir.graph import Shape


def _per_axis(c: Call, numbers: int | Sequence[int], like: Sequence[int] = ()) -> tuple[int, ...]:
    """One number for each space axis; an empty list means `like`."""
    space = len(c.shape) - 2
    if isinstance(numbers, int):
        return (numbers,) * space
    numbers = tuple(numbers) or tuple(like)
    return numbers * space if len(numbers) == 1 else numbers


def _last_window_ends(
    out: Shape, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[int]:
    """First position behind the last window, from the start of the padding."""
    return [
        (o - 1) * s + d * (k - 1) + 1
        for o, k, s, d in zip(out, kernel, stride, dilation, strict=True)
    ]


def _space(c: Call, x: Operand) -> Shape:
    c.need(len(x.shape) in (3, 4), "Its input needs batch, channels and 1 or 2 axes.")
    return x.shape[2:]


def max_pool(
    c: Call,
    x: Operand,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    _ceil_mode: bool = False,
) -> Operand:
    """aten.max_pool1d and max_pool2d, also with indices, which nobody may read.

    Ceil mode shows in the size of the result, which drops a window that would start in the
    padding behind: as much padding as the last window needs gives the same size.
    """
    space = _space(c, x)
    kernel = _per_axis(c, kernel)
    stride, dilation = _per_axis(c, stride, kernel), _per_axis(c, dilation)
    pads = _per_axis(c, padding)
    ends = _last_window_ends(c.shape[2:], kernel, stride, dilation)
    behind = [max(p, end - size - p) for p, end, size in zip(pads, ends, space, strict=True)]
    op = ops.MaxPool(kernel, stride, tuple(zip(pads, behind, strict=True)), dilation)
    return c.emit(op, x)


def avg_pool(
    c: Call,
    x: Operand,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: int | Sequence[int] = 0,
    _ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Operand:
    """aten.avg_pool1d and avg_pool2d; ceil mode as in `max_pool`."""
    c.need(divisor_override is None, "Leave divisor_override out and multiply the result.")
    space = _space(c, x)
    kernel = _per_axis(c, kernel)
    stride, pads = _per_axis(c, stride, kernel), _per_axis(c, padding)
    ends = _last_window_ends(c.shape[2:], kernel, stride, [1] * len(kernel))
    overhang = tuple(
        max(0, end - size - 2 * p) for p, end, size in zip(pads, ends, space, strict=True)
    )
    both = tuple((p, p) for p in pads)
    return c.emit(ops.AvgPool(kernel, stride, both, count_include_pad, overhang), x)


def adaptive_avg_pool(c: Call, x: Operand, _size: Sequence[int]) -> Operand:
    """aten.adaptive_avg_pool1d and 2d; to size 1 it is a mean."""
    space, size = _space(c, x), c.shape[2:]
    if size == space:
        return x
    if all(out == 1 for out in size):
        return c.emit(ops.Mean(tuple(range(2, len(x.shape))), keepdims=True), x)
    return c.emit(ops.AdaptiveAvgPool(size), x)


def adaptive_max_pool(c: Call, x: Operand, _size: Sequence[int]) -> Operand:
    """aten.adaptive_max_pool1d and 2d where all windows have one size."""
    space, size = _space(c, x), c.shape[2:]
    even = all(n % out == 0 for n, out in zip(space, size, strict=True))
    c.need(even, "Only sizes that divide the input's are.")
    kernel = tuple(n // out for n, out in zip(space, size, strict=True))
    op = ops.MaxPool(kernel, kernel, ((0, 0),) * len(size), (1,) * len(size))
    return c.emit(op, x)


def mean(
    c: Call,
    x: Operand,
    axes: int | Sequence[int] | None = None,
    keepdims: bool = False,
    **_: object,
) -> Operand:
    """aten.mean, with or without axes."""
    reduced = _reduced_axes(c, x, axes)
    return c.emit(ops.Mean(reduced, bool(keepdims)), x)


def total(
    c: Call,
    x: Operand,
    axes: int | Sequence[int] | None = None,
    keepdims: bool = False,
    **_: object,
) -> Operand:
    """aten.sum: the mean times the number of elements."""
    reduced = _reduced_axes(c, x, axes)
    count = math.prod(x.shape[axis] for axis in reduced)
    average = c.emit(ops.Mean(reduced, bool(keepdims)), x, function="mean")
    return c.emit(ops.Mul(), average, scalar(count))


def _reduced_axes(c: Call, x: Operand, axes: int | Sequence[int] | None) -> tuple[int, ...]:
    given = [axes] if isinstance(axes, int) else list(axes or range(len(x.shape)))
    return tuple(sorted(c.axis(axis, x) for axis in given))


def _need_exact_scale(c: Call, x: Operand, factors: Sequence[float | None]) -> None:
    """Torch maps coordinates with the factor that was given, we with the ratio of the sizes."""
    exact = all(
        factor is None or math.isclose(size * factor, out, rel_tol=1e-6)
        for size, out, factor in zip(x.shape[2:], c.shape[2:], factors, strict=True)
    )
    c.need(exact, "Give interpolate a size, or a scale_factor that makes whole sizes.")


def nearest_vec(
    c: Call, x: Operand, _size: Sequence[int] | None, factors: Sequence[float] | None = None
) -> Operand:
    """aten.upsample_nearest1d.vec and 2d.vec."""
    return nearest(c, x, (), *(factors or ()))


def nearest(c: Call, x: Operand, _size: Sequence[int], *factors: float | None) -> Operand:
    """aten.upsample_nearest1d and 2d."""
    _need_exact_scale(c, x, factors or [None] * len(_space(c, x)))
    return x if x.shape == c.shape else c.emit(ops.ResizeNearest(c.shape[2:]), x)


def bilinear_vec(
    c: Call,
    x: Operand,
    _size: Sequence[int] | None,
    align_corners: bool,
    factors: Sequence[float] | None = None,
) -> Operand:
    """aten.upsample_bilinear2d.vec."""
    return bilinear(c, x, (), align_corners, *(factors or ()))


def bilinear(
    c: Call, x: Operand, _size: Sequence[int], align_corners: bool, *factors: float | None
) -> Operand:
    """aten.upsample_bilinear2d; aligned corners need no factor."""
    if not align_corners:
        _need_exact_scale(c, x, factors or [None] * len(_space(c, x)))
    if x.shape == c.shape:
        return x
    return c.emit(ops.ResizeBilinear(c.shape[2:], bool(align_corners)), x)
