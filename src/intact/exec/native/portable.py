"""Kernels for layers whose codes and weights may have any type."""

from collections.abc import Callable

from intact.exec.native.building import Constants, dtype, requant, weight
from intact.exec.native.library import native
from intact.exec.native.windows import window
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp


def conv2d(op: int_ops.QConv2d, node: Node[IntOp], constants: Constants) -> native.Op:
    """QConv2d."""
    return _convolution(native.conv2d, op, node, constants)


def conv_transpose2d(
    op: int_ops.QConvTranspose2d, node: Node[IntOp], constants: Constants
) -> native.Op:
    """QConvTranspose2d."""
    return _convolution(native.conv_transpose2d, op, node, constants)


def linear(op: int_ops.QLinear, node: Node[IntOp], constants: Constants) -> native.Op:
    """QLinear."""
    x, codes, bias = node.inputs
    return native.linear(
        op.input_zero_point,
        dtype(x.dtype),
        dtype(node.output.dtype),
        weight(codes, constants, op.weight_zero_point, op.weight_shift),
        constants.arrays[bias.name],
        requant(op.requant),
    )


def matmul(op: int_ops.QMatMul) -> native.Op:
    """QMatMul."""
    return native.matmul(op.a_zero_point, op.b_zero_point, requant(op.requant))


def embedding(op: int_ops.QEmbedding, node: Node[IntOp], constants: Constants) -> native.Op:
    """QEmbedding."""
    integers = weight(node.inputs[1], constants, op.weight_zero_point)
    return native.embedding(integers, requant(op.requant))


def _convolution(
    make: Callable[..., native.Op],
    op: int_ops.QConv2d | int_ops.QConvTranspose2d,
    node: Node[IntOp],
    constants: Constants,
) -> native.Op:
    x, codes, bias = node.inputs
    return make(
        window(op),
        op.input_zero_point,
        dtype(x.dtype),
        dtype(node.output.dtype),
        weight(codes, constants, op.weight_zero_point, op.weight_shift),
        constants.arrays[bias.name],
        requant(op.requant),
    )
