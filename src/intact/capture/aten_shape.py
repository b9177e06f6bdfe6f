"""Views, slices, padding, joining: what moves data; and tensors of one number."""

from collections.abc import Callable, Sequence

import torch

from intact.capture.builder import Call, Operand
from intact.capture.dims import Size
from intact.ir import float_ops as ops
from intact.ir.float_ops import PadMode
from intact.ir.graph import Shape
from intact.numerics.formats import Float

# --- views -----------------------------------------------------------------------------------


def identity(c: Call, x: Operand, *_: object, **__: object) -> Operand:
    """Contiguous, clone, detach: the tensor itself."""
    del c
    return x


def cast(c: Call, x: Operand, *_: object, **__: object) -> Operand:
    """aten.to and _to_copy that keep the dtype, or make floats float32."""
    real = c.dtype.is_floating_point
    c.need(
        c.dtype == torch.float32 if real and _is_real(x) else real == _is_real(x),
        f"The network casts to {c.dtype}; float32 networks are captured without casts.",
    )
    return x


def _is_real(x: Operand) -> bool:
    return isinstance(x.dtype, Float)


def reshape(c: Call, x: Operand, *_: object, **__: object) -> Operand:
    """View, flatten, squeeze, unsqueeze: the result's shape says it all."""
    return c.reshape(x, c.shape)


def permute(c: Call, x: Operand, axes: Sequence[int]) -> Operand:
    """aten.permute."""
    return c.permute(x, [axis % len(x.shape) for axis in axes])


def transpose(c: Call, x: Operand, first: int = 0, second: int = 1) -> Operand:
    """aten.transpose and aten.t."""
    axes = list(range(len(x.shape)))
    if len(axes) < 2:
        return x
    axes[first], axes[second] = axes[second], axes[first]
    return c.permute(x, axes)


def expand(c: Call, x: Operand, *_: object, **__: object) -> Operand:
    """aten.expand and expand_as; new axes come first."""
    missing = len(c.shape) - len(x.shape)
    return c.expand(c.reshape(x, (1,) * missing + x.shape), c.shape)


def repeat(c: Call, x: Operand, repeats: Sequence[Size]) -> Operand:
    """aten.repeat: an axis for the repeats before each, expanded, and merged."""
    times = c.builder.dims.shape(repeats)
    x = c.reshape(x, (1,) * (len(times) - len(x.shape)) + x.shape)
    return _tile(c, x, times, before=True)


def repeat_interleave(c: Call, x: Operand, repeats: int, axis: int = 0, **_: object) -> Operand:
    """aten.repeat_interleave with a number."""
    times = [1] * len(x.shape)
    times[axis % len(times)] = repeats
    return _tile(c, x, times, before=False)


def _tile(c: Call, x: Operand, times: Sequence[int], *, before: bool) -> Operand:
    split: list[int] = []
    wide: list[int] = []
    for size, count in zip(x.shape, times, strict=True):
        if size == 1 or count == 1:
            split += [size]
            wide += [size * count]
        else:
            c.need(size > 0, "It repeats the batch.")
            split += [1, size] if before else [size, 1]
            wide += [count, size] if before else [size, count]
    return c.reshape(c.expand(c.reshape(x, tuple(split)), tuple(wide)), c.shape)


def pixel_shuffle(c: Call, x: Operand, factor: int) -> Operand:
    """(N, C * r * r, H, W) to (N, C, H * r, W * r)."""
    c.need(len(x.shape) == 4, "Its input needs a batch axis.")
    batch, channels, height, width = x.shape
    split = (batch, channels // factor**2, factor, factor, height, width)
    return c.reshape(c.permute(c.reshape(x, split), (0, 1, 4, 2, 5, 3)), c.shape)


def channel_shuffle(c: Call, x: Operand, groups: int) -> Operand:
    """aten.channel_shuffle."""
    batch, channels, *space = x.shape
    split = c.reshape(x, (batch, groups, channels // groups, *space))
    axes = (0, 2, 1, *range(3, len(x.shape) + 1))
    return c.reshape(c.permute(split, axes), c.shape)


def pixel_unshuffle(c: Call, x: Operand, factor: int) -> Operand:
    """(N, C, H * r, W * r) to (N, C * r * r, H, W)."""
    c.need(len(x.shape) == 4, "Its input needs a batch axis.")
    batch, channels, height, width = x.shape
    split = (batch, channels, height // factor, factor, width // factor, factor)
    return c.reshape(c.permute(c.reshape(x, split), (0, 1, 3, 5, 2, 4)), c.shape)


# --- parts -----------------------------------------------------------------------------------


def slice_(
    c: Call,
    x: Operand,
    axis: int = 0,
    start: Size | None = None,
    stop: Size | None = None,
    step: int = 1,
) -> Operand:
    """aten.slice; all of the batch axis, or any part of another."""
    if x.shape == c.shape and step == 1:
        return x
    axis = c.axis(axis, x)
    c.need(
        not isinstance(start, torch.SymInt) and not isinstance(stop, torch.SymInt),
        "Its bounds depend on the batch size.",
    )
    size = x.shape[axis]
    assert start is None or isinstance(start, int)
    assert stop is None or isinstance(stop, int)
    first, last, _ = slice(start, stop).indices(size)
    c.need(first < last, "It is empty.")
    return c.slice(x, axis, first, last, step)


def select(c: Call, x: Operand, axis: int, index: int) -> Operand:
    """aten.select: one slice without its axis."""
    axis = c.axis(axis, x)
    return _taken(c, x, axis, index % x.shape[axis])


def unbind(c: Call, x: Operand, axis: int = 0) -> list[Operand]:
    """aten.unbind."""
    axis = c.axis(axis, x)
    return [_taken(c, x, axis, index) for index in range(x.shape[axis])]


def _taken(c: Call, x: Operand, axis: int, index: int) -> Operand:
    return c.reshape(c.slice(x, axis, index, index + 1), c.shape)


def split(c: Call, x: Operand, _sizes: object, axis: int = 0) -> list[Operand]:
    """aten.split, split_with_sizes and chunk: the shapes of the results say where."""
    if len(c.shapes) == 1:
        return [x]
    axis = c.axis(axis, x)
    parts: list[Operand] = []
    start = 0
    for shape in c.shapes:
        parts.append(c.slice(x, axis, start, start + shape[axis]))
        start += shape[axis]
    return parts


# --- joining and padding ---------------------------------------------------------------------


def concat(c: Call, parts: Sequence[Operand], axis: int = 0) -> Operand:
    """aten.cat; empty parts do not count."""
    parts = [part for part in parts if part.shape != (0,)]
    return _joined(c, parts, axis % len(c.shape))


def stack(c: Call, parts: Sequence[Operand], axis: int = 0) -> Operand:
    """aten.stack: a new axis in each."""
    axis %= len(c.shape)
    with_axis = [c.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:])) for x in parts]
    return _joined(c, with_axis, axis)


def _joined(c: Call, parts: Sequence[Operand], axis: int) -> Operand:
    if len(parts) == 1:
        return parts[0]
    c.need(all(part.shape[axis] >= 0 for part in parts), "It joins batches.")
    return c.join(ops.Concat(axis), parts)


def flip(c: Call, x: Operand, axes: Sequence[int]) -> Operand:
    """aten.flip: the slices in reverse."""
    for axis in axes:
        axis = c.axis(axis, x)
        size = x.shape[axis]
        parts = [c.slice(x, axis, i, i + 1) for i in reversed(range(size))]
        x = c.join(ops.Concat(axis), parts) if size > 1 else x
    return x


def roll(c: Call, x: Operand, shifts: Sequence[int], axes: Sequence[int] = ()) -> Operand:
    """aten.roll along given axes."""
    c.need(len(axes) == len(shifts), "Give it an axis for each shift.")
    for shift, axis in zip(shifts, axes, strict=True):
        axis = c.axis(axis, x)
        size = x.shape[axis]
        start = -shift % size
        if start:
            parts = [c.slice(x, axis, start, size), c.slice(x, axis, 0, start)]
            x = c.join(ops.Concat(axis), parts)
    return x


def pad(
    c: Call, x: Operand, pads: Sequence[int], mode: str = "constant", value: float | None = None
) -> Operand:
    """aten.pad: pairs from the last axis on; a negative number cuts."""
    count = len(x.shape)
    pairs = list(zip(pads[::2], pads[1::2], strict=True))[::-1]
    pairs = [(0, 0)] * (count - len(pairs)) + pairs
    for axis, (before, behind) in enumerate(pairs):
        if before < 0 or behind < 0:
            axis = c.axis(axis, x)
            x = c.slice(x, axis, max(-before, 0), x.shape[axis] - max(-behind, 0))
    op = ops.Pad(tuple((max(a, 0), max(b, 0)) for a, b in pairs), PadMode(mode), float(value or 0))
    return x if not any(map(any, op.pads)) else c.move(op, x)


def padding_of(mode: PadMode) -> Callable[[Call, Operand, Sequence[int]], Operand]:
    """The translation of aten.reflection_pad2d and the like."""

    def translate(c: Call, x: Operand, pads: Sequence[int]) -> Operand:
        return pad(c, x, pads, mode.value)

    return translate


def constant_pad(c: Call, x: Operand, pads: Sequence[int], value: float = 0) -> Operand:
    """aten.constant_pad_nd."""
    return pad(c, x, pads, "constant", value)


# --- tensors of one number -------------------------------------------------------------------


def filled(value: float) -> Callable[..., Operand]:
    """The translation of zeros, ones and the like: one number, repeated over the batch."""

    def translate(c: Call, *_: object, **__: object) -> Operand:
        return full(c, None, value)

    return translate


def full(c: Call, _: object, value: float, **__: object) -> Operand:
    """aten.full, full_like and new_full."""
    shape: Shape = tuple(1 if dim < 0 else dim for dim in c.shape)
    return c.expand(c.computed(torch.full(shape, value, dtype=c.dtype)), c.shape)
