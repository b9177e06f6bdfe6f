"""Native pooling, means and resizing of real numbers, channels first."""

from intact.exec.native.building import Built, Constants, built, pair
from intact.exec.native.library import native
from intact.ir import float_ops as ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp


def max_pool(op: ops.MaxPool, node: Node[IntOp], constants: Constants) -> Built:
    """MaxPool; the padding behind shows in the output's size alone.

    Raises:
        UnsupportedOpError: if there are more than two space axes.
    """
    made = native.float_max_pool(
        pair(op.kernel, node, missing=1),
        pair(op.stride, node, missing=1),
        pair([before for before, _ in op.padding], node, missing=0),
        pair(op.dilation, node, missing=1),
        constants.isa,
    )
    return built(made, node)


def avg_pool(op: ops.AvgPool, node: Node[IntOp], constants: Constants) -> Built:
    """AvgPool; the overhang shows in the output's size alone.

    Raises:
        UnsupportedOpError: if there are more than two space axes.
    """
    del constants
    made = native.float_avg_pool(
        pair(op.kernel, node, missing=1),
        pair(op.stride, node, missing=1),
        pair([before for before, _ in op.padding], node, missing=0),
        pair([after for _, after in op.padding], node, missing=0),
        op.count_include_pad,
    )
    return built(made, node)


def adaptive_avg_pool(op: ops.AdaptiveAvgPool, node: Node[IntOp], constants: Constants) -> Built:
    """AdaptiveAvgPool.

    Raises:
        UnsupportedOpError: if there are more than two space axes.
    """
    del constants
    pair(op.size, node, missing=1)
    return built(native.float_adaptive_avg_pool(), node)


def mean(op: ops.Mean, node: Node[IntOp], constants: Constants) -> Built:
    """Mean."""
    del constants
    return built(native.float_mean(op.axes), node)


def resize_bilinear(op: ops.ResizeBilinear, node: Node[IntOp], constants: Constants) -> Built:
    """ResizeBilinear.

    Raises:
        UnsupportedOpError: if there are more than two space axes.
    """
    del constants
    pair(op.size, node, missing=1)
    return built(native.float_resize_bilinear(op.align_corners), node)
