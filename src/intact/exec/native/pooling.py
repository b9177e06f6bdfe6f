"""Native pooling, means and resizing."""

from intact.exec.native import codes8
from intact.exec.native.building import Built, Constants, built, dtype, pair, requant
from intact.exec.native.library import native
from intact.ir import float_ops, int_ops
from intact.ir.float_ops import Pads
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp


def max_pool2d(op: int_ops.QMaxPool2d, node: Node[IntOp], constants: Constants) -> Built:
    """QMaxPool2d."""
    isa = codes8.isa_for(node, constants)
    made = native.max_pool2d(op.kernel, op.stride, _padding(op.padding), op.dilation, isa)
    return built(made, node)


def avg_pool2d(op: int_ops.QAvgPool2d, node: Node[IntOp], constants: Constants) -> Built:
    """QAvgPool2d; the overhang shows in the output's size alone."""
    padding = _padding(op.padding)
    made = native.avg_pool2d(
        op.kernel,
        op.stride,
        padding,
        op.count_include_pad,
        op.zero_point,
        codes8.isa_for(node, constants),
    )
    return built(made, node)


def _padding(padding: Pads) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = padding
    return rows, columns


def adaptive_avg_pool2d(
    op: int_ops.QAdaptiveAvgPool2d, node: Node[IntOp], constants: Constants
) -> Built:
    """QAdaptiveAvgPool2d."""
    del op
    height, width = node.inputs[0].shape[1:3]
    return built(native.adaptive_avg_pool2d(height * width, codes8.isa_for(node, constants)), node)


def mean(op: int_ops.QMean, node: Node[IntOp], constants: Constants) -> Built:
    """QMean."""
    numbers, codes = requant(op.requant), dtype(node.output.dtype)
    # The vector kernel sums columns; rows have none.
    rows = len(node.inputs[0].shape) - 1 in op.axes
    isa = native.Isa.none if rows else codes8.isa_for(node, constants)
    made = native.mean(op.axes, op.input_zero_point, numbers, codes, isa)
    return built(made, node)


def resize_nearest2d(
    op: int_ops.QResizeNearest2d, node: Node[IntOp], constants: Constants
) -> Built:
    """QResizeNearest2d."""
    del op, constants
    return built(native.resize_nearest2d(channels_first=False), node)


def resize_nearest(op: float_ops.ResizeNearest, node: Node[IntOp], constants: Constants) -> Built:
    """ResizeNearest of any elements, channels first.

    Raises:
        UnsupportedOpError: if there are more than two space axes.
    """
    del constants
    pair(op.size, node, missing=1)
    return built(native.resize_nearest2d(channels_first=True), node)


def resize_bilinear2d(
    op: int_ops.QResizeBilinear2d, node: Node[IntOp], constants: Constants
) -> Built:
    """QResizeBilinear2d."""
    narrow = codes8.is_byte(node.output)
    return built(native.resize_bilinear2d(op.align_corners, narrow, constants.isa), node)
