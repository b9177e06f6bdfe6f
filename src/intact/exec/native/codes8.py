"""Vector kernels for layers whose codes have 8 bits; None where they do not apply."""

import numpy as np
from numpy.typing import NDArray

from intact.exec.native.building import Constants, dtype, int32, requant
from intact.exec.native.library import native
from intact.exec.native.windows import window
from intact.ir import int_ops
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Int
from intact.numerics.integers import weight_integers


def isa_for(node: Node[IntOp], constants: Constants) -> native.Isa:
    """The best level of kernels if all of the node's codes have 8 bits, else none."""
    narrow = all(is_byte(value) for value in (*node.inputs, node.output))
    return constants.isa if narrow else native.Isa.none


def conv2d(op: int_ops.QConv2d, node: Node[IntOp], constants: Constants) -> native.Op | None:
    """QConv2d with 8-bit codes and weights."""
    weight = narrow_weight(op, node, constants)
    if weight is None or not _narrow(op.requant, node.inputs[0], node.output):
        return None
    return native.conv2d_s8(
        window(op),
        (node.inputs[0].shape[1], node.inputs[0].shape[2]),
        op.input_zero_point,
        dtype(node.inputs[0].dtype),
        dtype(node.output.dtype),
        weight,
        int32(constants.arrays[node.inputs[2].name]),
        requant(op.requant),
        constants.isa,
    )


def linear(op: int_ops.QLinear, node: Node[IntOp], constants: Constants) -> native.Op | None:
    """QLinear with 8-bit codes and weights."""
    weight = narrow_weight(op, node, constants)
    if weight is None or not _narrow(op.requant, node.inputs[0], node.output):
        return None
    return native.linear_s8(
        op.input_zero_point,
        dtype(node.inputs[0].dtype),
        dtype(node.output.dtype),
        weight,
        int32(constants.arrays[node.inputs[2].name]),
        requant(op.requant),
        constants.isa,
    )


def matmul(op: int_ops.QMatMul, node: Node[IntOp], constants: Constants) -> native.Op | None:
    """QMatMul with 8-bit codes and fixed inner sizes."""
    a, b = node.inputs
    depth, columns = b.shape[-2:]
    if not _narrow(op.requant, a, b, node.output) or depth < 1 or columns < 1:
        return None
    return native.matmul_s8(
        depth,
        columns,
        op.a_zero_point,
        op.b_zero_point,
        requant(op.requant),
        dtype(a.dtype),
        dtype(b.dtype),
        dtype(node.output.dtype),
        constants.isa,
    )


def _narrow(requant: Requant, *values: Value) -> bool:
    """Whether all values have codes of a byte, and the accumulator 32 bits."""
    return requant.accumulator_bits == 32 and all(is_byte(value) for value in values)


def is_byte(value: Value) -> bool:
    """Whether the value has codes of a byte."""
    return isinstance(value.dtype, Int) and value.dtype.storage.itemsize == 1


def narrow_weight(
    op: int_ops.QConv2d | int_ops.QLinear, node: Node[IntOp], constants: Constants
) -> NDArray[np.int8] | None:
    """The weight's integers if they fit int8."""
    value = node.inputs[1]
    codes = constants.arrays[value.name]
    integers = weight_integers(codes, value.dtype, op.weight_zero_point, op.weight_shift)
    narrow = integers.astype(np.int8)
    return narrow if np.array_equal(narrow, integers) else None
