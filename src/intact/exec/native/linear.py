"""Native layers with weights, and matrix products."""

from intact.errors import UnsupportedOpError
from intact.exec.native import codes8
from intact.exec.native.building import Built, Constants, built
from intact.exec.native.library import native
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp


def conv2d(op: int_ops.QConv2d, node: Node[IntOp], constants: Constants) -> Built:
    """QConv2d."""
    return _portable(codes8.conv2d(op, node, constants), node, 1)


def linear(op: int_ops.QLinear, node: Node[IntOp], constants: Constants) -> Built:
    """QLinear."""
    return _portable(codes8.linear(op, node, constants), node, 1)


def matmul(op: int_ops.QMatMul, node: Node[IntOp], constants: Constants) -> Built:
    """QMatMul."""
    del constants
    return _portable(codes8.matmul(op, node), node, 2)


def _portable(op: native.Op | None, node: Node[IntOp], count: int) -> Built:
    if op is None:
        raise UnsupportedOpError(f'"{node.name}" has no vector kernel')
    return built(op, node, count)
