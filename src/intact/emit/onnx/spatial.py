"""Pooling and resizing as ONNX nodes; channels first."""

import numpy as np

from intact.emit.onnx.layout import View, arranged, plain
from intact.emit.onnx.scope import Scope
from intact.ir import float_ops as ops
from intact.ir.float_ops import Pads
from intact.ir.graph import Shape
from intact.ir.windows import adaptive_windows, with_overhang
from intact.numerics.arrays import F32


def pads_attribute(padding: Pads) -> tuple[int, ...]:
    """ONNX's order: all that comes before, then all that comes after."""
    return (*(before for before, _ in padding), *(after for _, after in padding))


def max_pool(scope: Scope, op: ops.MaxPool, shape: Shape, x: View) -> View:
    """MaxPool; padding never wins."""
    output = scope.last(
        "MaxPool",
        [arranged(scope.writer, x).tensor],
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=pads_attribute(op.padding),
        dilations=op.dilation,
    )
    return plain(output, shape)


def avg_pool(scope: Scope, op: ops.AvgPool, shape: Shape, x: View) -> View:
    """AveragePool; where padding counts but an overhang does not, padded by a Pad before it."""
    x = arranged(scope.writer, x)
    padded = any(before or after for before, after in op.padding)
    if op.kernel == x.shape[2:] and not padded and not any(op.overhang):
        return plain(scope.last("GlobalAveragePool", [x.tensor]), shape)
    tensor, padding, counts = x.tensor, op.padding, op.count_include_pad
    if counts and any(op.overhang):
        pads = pads_attribute(((0, 0), (0, 0), *padding))
        tensor = scope.step("Pad", [tensor, scope.integers(pads, "pads")])
        padding, counts = ((0, 0),) * len(padding), False
    outer = with_overhang(padding, op.overhang)
    output = scope.last(
        "AveragePool",
        [tensor],
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=pads_attribute(outer),
        count_include_pad=int(counts),
    )
    return plain(output, shape)


def adaptive_avg_pool(scope: Scope, op: ops.AdaptiveAvgPool, shape: Shape, x: View) -> View:
    """AveragePool where windows are equal, else a product with a matrix for each space axis."""
    x = arranged(scope.writer, x)
    space = x.shape[2:]
    if all(size % out == 0 for size, out in zip(space, op.size, strict=True)):
        window = tuple(size // out for size, out in zip(space, op.size, strict=True))
        zero = ((0, 0),) * len(window)
        pool = ops.AvgPool(window, window, zero, False, (0,) * len(window))
        return avg_pool(scope, pool, shape, x)
    tensor = x.tensor
    if len(space) == 2:
        rows = scope.constant(_pooling_matrix(space[0], op.size[0]), "rows")
        tensor = scope.step("MatMul", [rows, tensor])
    columns = scope.constant(_pooling_matrix(space[-1], op.size[-1]).T, "columns")
    return plain(scope.last("MatMul", [tensor, columns]), shape)


def _pooling_matrix(size: int, out: int) -> F32:
    """(out, size): row i averages window i."""
    matrix = np.zeros((out, size), np.float32)
    for row, window in zip(matrix, adaptive_windows(size, out), strict=True):
        row[window] = 1 / (window.stop - window.start)
    return matrix


def resize_nearest(scope: Scope, op: ops.ResizeNearest, shape: Shape, x: View) -> View:
    """Resize where each pixel is repeated a whole number of times, else Gather by axis.

    Resize divides by a rounded scale, which may miss floor(i * in / out) at whole numbers.
    """
    x = arranged(scope.writer, x)
    space = x.shape[2:]
    if all(out % size == 0 for size, out in zip(space, op.size, strict=True)):
        return plain(
            _resize(
                scope,
                x,
                op.size,
                mode="nearest",
                nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            ),
            shape,
        )
    tensor = x.tensor
    for axis, (size, out) in enumerate(zip(space, op.size, strict=True), start=2):
        indices = scope.integers([i * size // out for i in range(out)], "indices")
        write = scope.last if axis == len(x.shape) - 1 else scope.step
        tensor = write("Gather", [tensor, indices], axis=axis)
    return plain(tensor, shape)


def resize_bilinear(scope: Scope, op: ops.ResizeBilinear, shape: Shape, x: View) -> View:
    """Resize with torch's coordinates."""
    mode = "align_corners" if op.align_corners else "half_pixel"
    x = arranged(scope.writer, x)
    output = _resize(scope, x, op.size, mode="linear", coordinate_transformation_mode=mode)
    return plain(output, shape)


def _resize(scope: Scope, x: View, size: tuple[int, ...], **attributes: str) -> str:
    axes = tuple(range(2, len(x.shape)))
    sizes = scope.integers(size, "sizes")
    return scope.last("Resize", [x.tensor, "", "", sizes], axes=axes, **attributes)
