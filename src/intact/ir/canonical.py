"""One form for the attributes that have no effect."""

from dataclasses import replace

from intact.ir import int_ops as ops
from intact.ir.graph import Node, Shape
from intact.ir.int_ops import IntOp


def canonical(node: Node[IntOp]) -> IntOp:
    """The node's operation, with stride 1 where there is one window and dilation 1 where one tap.

    There they have no effect, so that they may be any number; a kernel that computes with what it
    is given must not meet 2**31 - 1. Elsewhere the padded input bounds them.
    """
    match op := node.op:
        case ops.QConv2d() | ops.DynamicConv2d():
            stride = _used(op.stride, node.output.shape)
            return replace(op, stride=stride, dilation=_used(op.dilation, node.inputs[1].shape))
        case ops.QConvTranspose2d():
            stride = _used(op.stride, node.inputs[0].shape)
            return replace(op, stride=stride, dilation=_used(op.dilation, node.inputs[1].shape))
        case ops.QMaxPool2d():
            dilation = _used(op.dilation, (1, *op.kernel, 1))
            return replace(op, stride=_used(op.stride, node.output.shape), dilation=dilation)
        case ops.QAvgPool2d():
            return replace(op, stride=_used(op.stride, node.output.shape))
        case _:
            return op


def _used(steps: tuple[int, int], shape: Shape) -> tuple[int, int]:
    """Those of the space axes of `shape` (N, H, W, C) that are longer than 1."""
    rows, columns = steps
    return 1 if shape[1] == 1 else rows, 1 if shape[2] == 1 else columns
