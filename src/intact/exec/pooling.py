"""Integer pooling and means, channels last; the scale of the result is the input's (section 9)."""

import numpy as np

from intact.exec.exact import Kernel, code_range
from intact.exec.float_pooling import window_counts
from intact.exec.requantize import requantizer
from intact.exec.windows import pad_space, taps
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.ir.windows import adaptive_windows, windows, with_overhang
from intact.numerics.arrays import Codes, IntArray


def max_pool2d(op: int_ops.QMaxPool2d, node: Node[IntOp]) -> Kernel:
    """QMaxPool2d: padding is the lowest code and never wins."""
    lowest, _ = code_range(node.output)

    def run(x: Codes) -> Codes:
        out = windows(x.shape[1:3], op.kernel, op.stride, op.dilation, op.padding)
        padded = pad_space(x, op.padding, 1, lowest)
        views = taps(padded, 1, op.kernel, op.stride, op.dilation, out)
        result: Codes = next(views).copy()
        for view in views:
            np.maximum(result, view, out=result)
        return result

    return run


def divide_half_away(total: IntArray, count: IntArray | int) -> IntArray:
    """round(total / count), ties away from zero, for positive counts."""
    magnitude = (np.abs(total) + np.asarray(count) // 2) // count
    return np.asarray(np.where(total < 0, -magnitude, magnitude))


def avg_pool2d(op: int_ops.QAvgPool2d, node: Node[IntOp]) -> Kernel:
    """QAvgPool2d (TFLite AVERAGE_POOL_2D)."""
    storage = node.output.dtype.storage
    overhang = tuple((0, more) for more in op.overhang)
    padding = with_overhang(op.padding, op.overhang)

    def run(x: Codes) -> Codes:
        out = windows(x.shape[1:3], op.kernel, op.stride, (1, 1), padding)
        if op.count_include_pad:
            counted = pad_space(x, op.padding, 1, op.zero_point)
            padded = pad_space(counted, overhang, 1, 0)
        else:
            padded = pad_space(x, padding, 1, 0)
        total = np.zeros((x.shape[0], *out, x.shape[3]), np.int32)
        for view in taps(padded, 1, op.kernel, op.stride, (1, 1), out):
            total += view
        counts = window_counts(op, x.shape[1:3], out)[:, :, None].astype(np.int32)
        return divide_half_away(total, counts).astype(storage)

    return run


def adaptive_avg_pool2d(op: int_ops.QAdaptiveAvgPool2d, node: Node[IntOp]) -> Kernel:
    """QAdaptiveAvgPool2d."""
    storage = node.output.dtype.storage

    def run(x: Codes) -> Codes:
        out = np.empty((x.shape[0], *op.size, x.shape[3]), storage)
        for i, rows in enumerate(adaptive_windows(x.shape[1], op.size[0])):
            for j, columns in enumerate(adaptive_windows(x.shape[2], op.size[1])):
                window = x[:, rows, columns]
                total = window.sum(axis=(1, 2), dtype=np.int64)
                out[:, i, j] = divide_half_away(total, window.shape[1] * window.shape[2])
        return out

    return run


def mean(op: int_ops.QMean, node: Node[IntOp]) -> Kernel:
    """QMean: the requantization divides by the count."""
    storage = node.output.dtype.storage

    def run(x: Codes) -> Codes:
        total = x.sum(axis=op.axes, keepdims=op.keepdims, dtype=np.int64)
        count = int(np.prod([x.shape[axis] for axis in op.axes]))
        offset = np.array([-count * op.input_zero_point])
        out = np.empty(total.shape, storage)
        channels = total.shape[-1] if total.ndim else 1
        requantizer(op.requant, channels, offset)(np.ascontiguousarray(total), out)
        return out

    return run
