"""Output sizes of sliding windows, pooling and resizing, channels first or last."""

from collections.abc import Sequence
from typing import TypeAlias

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.float_ops import Pads
from intact.ir.graph import Shape

Transposed: TypeAlias = ops.ConvTranspose | int_ops.QConvTranspose2d
Pool: TypeAlias = ops.MaxPool | ops.AvgPool | int_ops.QMaxPool2d | int_ops.QAvgPool2d
Resize: TypeAlias = (
    ops.AdaptiveAvgPool
    | ops.ResizeNearest
    | ops.ResizeBilinear
    | int_ops.QAdaptiveAvgPool2d
    | int_ops.QResizeNearest2d
    | int_ops.QResizeBilinear2d
)


def windows(
    space: Shape,
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: Pads,
    overhang: Sequence[int] | None = None,
) -> Shape:
    """floor((n + before + after + overhang - dilation * (kernel - 1) - 1) / stride) + 1.

    Raises:
        ValueError: if an attribute has the wrong length or range, or there is no window.
    """
    overhang = (0,) * len(space) if overhang is None else overhang
    check_space(space, kernel=kernel, stride=stride, dilation=dilation)
    _check_pads(space, padding)
    _check_lengths(space, overhang=overhang)
    if min(overhang, default=0) < 0:
        raise ValueError(f"overhang {tuple(overhang)} is negative")
    out = []
    for n, k, s, d, pads, more in zip(
        space, kernel, stride, dilation, padding, overhang, strict=True
    ):
        free = n + sum(pads) + more - d * (k - 1) - 1
        if free < 0:
            raise ValueError(f"a window of {k} taps, dilation {d} exceeds {n} pixels, pads {pads}")
        out.append(free // s + 1)
    return tuple(out)


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Padding of an axis that makes ceil(size / stride) windows, the odd pixel behind."""
    total = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return total // 2, total - total // 2


def with_overhang(padding: Pads, overhang: Sequence[int]) -> Pads:
    """All that the last windows reach: the padding, and what lies beyond it."""
    return tuple(
        (before, after + more) for (before, after), more in zip(padding, overhang, strict=True)
    )


def adaptive_windows(size: int, out: int) -> list[slice]:
    """Window i is floor(i * size / out) .. ceil((i + 1) * size / out)."""
    return [slice(i * size // out, -((i + 1) * size // -out)) for i in range(out)]


def transposed(op: Transposed, space: Shape, kernel: Sequence[int]) -> Shape:
    """(n - 1) * stride - before - after + dilation * (kernel - 1) + output_padding + 1."""
    check_space(space, kernel=kernel, stride=op.stride, dilation=op.dilation)
    _check_pads(space, op.padding)
    _check_lengths(space, output_padding=op.output_padding)
    if min(op.output_padding) < 0:
        raise ValueError(f"output_padding {op.output_padding} is negative")
    out = tuple(
        (n - 1) * s - sum(pads) + d * (k - 1) + more + 1
        for n, k, s, d, pads, more in zip(
            space, kernel, op.stride, op.dilation, op.padding, op.output_padding, strict=True
        )
    )
    if min(out) < 1:
        raise ValueError(f"the output would have {out} pixels")
    return out


def scratch_shape(op: object, inputs: Sequence[Shape], output: Shape) -> Sequence[Shape]:
    """The padded input of a window, and a transposed convolution's output before it is cropped.

    An executor may allocate them, so they are bounded as values are.
    """
    match op:
        case ops.ConvTranspose(padding=padding):
            return [_padded(output, padding, first=2)]
        case int_ops.QConvTranspose2d(padding=padding):
            return [_padded(output, padding, first=1)]
        case ops.AvgPool(padding=padding, overhang=overhang):
            return [_padded(inputs[0], with_overhang(padding, overhang), first=2)]
        case int_ops.QAvgPool2d(padding=padding, overhang=overhang):
            return [_padded(inputs[0], with_overhang(padding, overhang), first=1)]
        case ops.Conv(padding=padding) | ops.MaxPool(padding=padding):
            return [_padded(inputs[0], padding, first=2)]
        case (
            int_ops.QConv2d(padding=padding)
            | int_ops.DynamicConv2d(padding=padding)
            | int_ops.QMaxPool2d(padding=padding)
        ):
            return [_padded(inputs[0], padding, first=1)]
        case _:
            return []


def _padded(shape: Shape, padding: Pads, first: int) -> Shape:
    pads = dict(enumerate(map(sum, padding), start=first))
    return tuple(n + pads.get(axis, 0) for axis, n in enumerate(shape))


def check_space(space: Shape, **attributes: Sequence[int]) -> None:
    """Every attribute has one positive number for each space axis; no axis is the batch.

    Raises:
        ValueError: names the attribute that has not.
    """
    if not space or min(space) < 1:
        raise ValueError(f"space axes {space} are missing or depend on the batch size")
    _check_lengths(space, **attributes)
    for name, numbers in attributes.items():
        if min(numbers) < 1:
            raise ValueError(f"{name} {tuple(numbers)} is not positive")


def _check_lengths(space: Shape, **attributes: Sequence[int]) -> None:
    for name, numbers in attributes.items():
        if len(numbers) != len(space):
            raise ValueError(f"{name} {tuple(numbers)} does not fit {len(space)} space axes")


def _check_pads(space: Shape, padding: Pads) -> None:
    if len(padding) != len(space) or any(min(pair) < 0 for pair in padding):
        raise ValueError(f"padding {padding} is negative or does not fit {len(space)} space axes")


def pooled(op: Pool, x: Shape) -> Shape:
    """Shape after pooling; each window must meet a pixel, so that no mean divides by 0."""
    last = isinstance(op, int_ops.QMaxPool2d | int_ops.QAvgPool2d)
    space = _space(x, last)
    if isinstance(op, ops.MaxPool | int_ops.QMaxPool2d):
        dilation: tuple[int, ...] = op.dilation
        overhang: tuple[int, ...] = (0,) * len(space)
    else:
        dilation, overhang = (1,) * len(space), op.overhang
    out = windows(space, op.kernel, op.stride, dilation, op.padding, overhang)
    for n, m, k, s, d, pads in zip(
        space, out, op.kernel, op.stride, dilation, op.padding, strict=True
    ):
        before, _ = pads
        # The first window must end, and the last begin, on a pixel; dilated taps must not step
        # over all of them.
        if d * (k - 1) < before or (m - 1) * s - before >= n or (before and d > n):
            raise ValueError(f"a window lies in the padding {op.padding} alone")
    return _with_space(x, out, last)


def resized(op: Resize, x: Shape) -> Shape:
    """Shape after resizing the space axes to `size`."""
    last = isinstance(
        op, int_ops.QAdaptiveAvgPool2d | int_ops.QResizeNearest2d | int_ops.QResizeBilinear2d
    )
    space = _space(x, last)
    if isinstance(op, ops.ResizeBilinear) and len(space) != 2:
        raise ValueError(f"bilinear resizing needs 4 axes, not {x}")
    check_space(space, size=op.size)
    return _with_space(x, op.size, last)


def _space(x: Shape, last: bool) -> Shape:
    if len(x) != 4 if last else len(x) < 3:
        raise ValueError(f"an input of shape {x} has no such space axes")
    return x[1:-1] if last else x[2:]


def _with_space(x: Shape, out: Shape, last: bool) -> Shape:
    return (x[0], *out, x[-1]) if last else (*x[:2], *out)
