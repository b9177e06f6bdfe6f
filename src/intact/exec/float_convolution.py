"""Convolutions of real numbers, channels first, as matrix products (im2col) or shifted sums."""

import math
from collections.abc import Sequence

import numpy as np

from intact.exec.windows import pad_space, taps
from intact.ir import float_ops as ops
from intact.ir.windows import Transposed, windows
from intact.numerics.arrays import F32, Array

_COLUMNS = 1 << 20  # elements of one block of im2col columns: 4 MB
_BLOCK = 1 << 15  # elements of one block of a depthwise convolution: stays in the L2 cache


def conv(op: ops.Conv, x: F32, weight: F32, bias: F32 | None = None) -> F32:
    """X (N, C, *space), weight (O, C/groups, *kernel), bias (O,)."""
    kernel = weight.shape[2:]
    space = windows(x.shape[2:], kernel, op.stride, op.dilation, op.padding)
    padded = pad_space(x, op.padding, 2, 0.0)
    out = np.empty((x.shape[0], weight.shape[0], *space), np.float32)
    if math.prod(kernel) == 1 and op.groups == 1 and set(op.stride) == {1}:
        _pointwise(padded, weight, out)
    elif weight.shape[1] == 1 and op.groups > 1:
        _depthwise(op, padded, weight, out)
    else:
        _im2col(op, padded, weight, out)
    if bias is not None:
        out += bias.reshape(-1, *(1,) * len(kernel))
    return out


def _pointwise(x: F32, weight: F32, out: F32) -> None:
    batch, channels = x.shape[:2]
    matrix = weight.reshape(weight.shape[0], channels)
    np.matmul(matrix, x.reshape(batch, channels, -1), out=out.reshape(batch, len(matrix), -1))


def _depthwise(op: ops.Conv, x: F32, weight: F32, out: F32) -> None:
    """Multiply and add, tap by tap, over blocks of channels that stay in the cache."""
    multiplier = weight.shape[0] // op.groups
    if multiplier > 1:
        x = np.repeat(x, multiplier, axis=1)
    kernel, space = weight.shape[2:], out.shape[2:]
    columns = weight.reshape(weight.shape[0], -1, *(1,) * len(kernel))
    step = max(1, _BLOCK // max(1, math.prod(x.shape[2:])))
    for sample, result in zip(x, out, strict=True):
        for start in range(0, len(sample), step):
            block = slice(start, start + step)
            views = taps(sample[block], 1, kernel, op.stride, op.dilation, space)
            total = result[block]
            np.multiply(next(views), columns[block, 0], out=total)
            product = np.empty_like(total)
            for tap, view in enumerate(views, start=1):
                np.multiply(view, columns[block, tap], out=product)
                total += product


def _im2col(op: ops.Conv, x: F32, weight: F32, out: F32) -> None:
    """Blocks of output rows: columns (groups, C/groups * taps, rows * ...) times the weights."""
    kernel, space = weight.shape[2:], out.shape[2:]
    channels, positions = x.shape[1], math.prod(kernel)
    matrix = weight.reshape(op.groups, weight.shape[0] // op.groups, -1)
    line = math.prod(space[1:])
    rows = min(space[0], max(1, _COLUMNS // max(1, channels * positions * line)))
    extent = (kernel[0] - 1) * op.dilation[0] + 1
    for sample, result in zip(x, out, strict=True):
        for start in range(0, space[0], rows):
            count = min(rows, space[0] - start)
            first = start * op.stride[0]
            part = sample[:, first : first + (count - 1) * op.stride[0] + extent]
            columns = np.empty((channels, positions, count, *space[1:]), np.float32)
            views = taps(part, 1, kernel, op.stride, op.dilation, (count, *space[1:]))
            for tap, view in enumerate(views):
                columns[:, tap] = view
            product = matrix @ columns.reshape(op.groups, -1, count * line)
            result[:, start : start + count] = product.reshape(-1, count, *space[1:])


def conv_transpose(op: ops.ConvTranspose, x: F32, weight: F32, bias: F32 | None = None) -> F32:
    """X (N, C, H, W), weight (C, O/groups, kh, kw), bias (O,): each pixel adds its patch."""
    out_channels = weight.shape[1] * op.groups
    kernel, space = weight.shape[2:], x.shape[2:]
    canvas_size = transposed_canvas(op, space, kernel)
    matrix = weight.reshape(op.groups, weight.shape[0] // op.groups, -1).transpose(0, 2, 1)
    out = np.zeros((x.shape[0], out_channels, *canvas_size), np.float32)
    for sample, canvas in zip(x, out, strict=True):
        patches = matrix @ sample.reshape(op.groups, matrix.shape[2], -1)
        patches = patches.reshape(out_channels, math.prod(kernel), *space)
        views = taps(canvas, 1, kernel, op.stride, op.dilation, space)
        for tap, view in enumerate(views):
            view += patches[:, tap]
    out = crop(out, op, space, kernel, first=2)
    if bias is not None:
        out = out + bias.reshape(-1, *(1,) * len(kernel))
    return np.ascontiguousarray(out)


def transposed_canvas(
    op: Transposed, space: Sequence[int], kernel: Sequence[int]
) -> tuple[int, ...]:
    """Size of the area that all patches cover, at least the output before cropping."""
    return tuple(
        (n - 1) * s + d * (k - 1) + 1 + extra
        for n, s, d, k, extra in zip(
            space, op.stride, op.dilation, kernel, op.output_padding, strict=True
        )
    )


def crop(
    canvas: Array, op: Transposed, space: Sequence[int], kernel: Sequence[int], first: int
) -> Array:
    """Removes the padding (before, after) from the space axes, which start at axis `first`."""
    sizes = transposed_canvas(op, space, kernel)
    inside = tuple(
        slice(before, size - after) for (before, after), size in zip(op.padding, sizes, strict=True)
    )
    return canvas[(slice(None),) * first + inside]
