"""Native layers and matrix products: the fastest kernel for each."""

from intact.exec.native import codes8, codes16, dynamic, portable
from intact.exec.native.building import Built, Constants, built
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp


def conv2d(op: int_ops.QConv2d, node: Node[IntOp], constants: Constants) -> Built:
    """QConv2d."""
    made = codes8.conv2d(op, node, constants) or codes16.conv2d(op, node, constants)
    return built(made or portable.conv2d(op, node, constants), node)


def conv_transpose2d(
    op: int_ops.QConvTranspose2d, node: Node[IntOp], constants: Constants
) -> Built:
    """QConvTranspose2d."""
    return built(portable.conv_transpose2d(op, node, constants), node)


def linear(op: int_ops.QLinear, node: Node[IntOp], constants: Constants) -> Built:
    """QLinear."""
    made = codes8.linear(op, node, constants) or codes16.linear(op, node, constants)
    return built(made or portable.linear(op, node, constants), node)


def matmul(op: int_ops.QMatMul, node: Node[IntOp], constants: Constants) -> Built:
    """QMatMul."""
    made = codes8.matmul(op, node, constants)
    return built(portable.matmul(op) if made is None else made, node, count=2)


def embedding(op: int_ops.QEmbedding, node: Node[IntOp], constants: Constants) -> Built:
    """QEmbedding."""
    return built(portable.embedding(op, node, constants), node)


def dynamic_conv2d(op: int_ops.DynamicConv2d, node: Node[IntOp], constants: Constants) -> Built:
    """DynamicConv2d."""
    return built(dynamic.conv2d(op, node, constants), node)


def dynamic_linear(op: int_ops.DynamicLinear, node: Node[IntOp], constants: Constants) -> Built:
    """DynamicLinear."""
    return built(dynamic.linear(op, node, constants), node)
