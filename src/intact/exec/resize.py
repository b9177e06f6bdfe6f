"""Integer resizing, channels last; the scale of the result is the input's (section 9)."""

import numpy as np

from intact.exec.exact import Kernel
from intact.exec.float_pooling import resize_nearest
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import Codes
from intact.numerics.fixedpoint import Int64Array


def nearest2d(op: int_ops.QResizeNearest2d, node: Node[IntOp]) -> Kernel:
    """QResizeNearest2d."""
    del node
    return lambda x: resize_nearest(op.size, x, first=1)


def bilinear2d(op: int_ops.QResizeBilinear2d, node: Node[IntOp]) -> Kernel:
    """QResizeBilinear2d: 10-bit weights along each axis, one rounding half away from zero."""
    storage = node.output.dtype.storage

    def run(x: Codes) -> Codes:
        codes = x
        rows = _interpolation(x.shape[1], op.size[0], op.align_corners)
        columns = _interpolation(x.shape[2], op.size[1], op.align_corners)
        out = np.empty((x.shape[0], *op.size, x.shape[3]), storage)
        for sample, target in zip(codes, out, strict=True):
            wide = _interpolate(_interpolate(sample.astype(np.int64), rows, 0), columns, 1)
            half = np.where(wide > 0, 1 << 19, -(1 << 19))
            total = wide + half
            target[...] = np.sign(total) * (np.abs(total) >> 20)  # truncates, as C divides
        return out

    return run


def _interpolation(
    size: int, out: int, align_corners: bool
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """(lower index, upper index, weight of the upper in 1/1024) of each output."""
    if align_corners and out > 1:
        scale = (1024 * (size - 1) + (out - 1) // 2) // (out - 1)
    else:
        scale = (1024 * size + out // 2) // out
    position = np.arange(out) * scale
    if not align_corners:
        position += scale // 2 - 512
    # Before the first centre both indices are 0, so that the weight does not matter.
    lower = np.clip(position // 1024, 0, size - 1)
    upper = np.clip(-(-position // 1024), 0, size - 1)
    return lower, upper, position - 1024 * lower


def _interpolate(
    x: Int64Array, indices: tuple[Int64Array, Int64Array, Int64Array], axis: int
) -> Int64Array:
    """1024 times the interpolated numbers."""
    lower, upper, weight = indices
    weight = weight.reshape(-1, *(1,) * (x.ndim - axis - 1))
    return np.asarray(x.take(lower, axis) * (1024 - weight) + x.take(upper, axis) * weight)
