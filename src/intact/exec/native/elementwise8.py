"""Vector kernels for 8-bit codes beside linear algebra; None where they do not apply."""

from intact.exec import elementwise
from intact.exec.exact import code_range
from intact.exec.native import codes8
from intact.exec.native.building import Constants, dtype, int32, requant
from intact.exec.native.library import native
from intact.ir import int_ops
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp


def sum_(
    op: int_ops.QAdd | int_ops.QSub, node: Node[IntOp], constants: Constants
) -> native.Op | None:
    """QAdd, QSub: a table of all pairs, or a weighted sum that equals it."""
    a, b = node.inputs
    if not all(codes8.is_byte(value) for value in (a, b, node.output)):
        return None
    return native.sum_s8(
        numbers(op.a),
        numbers(op.b),
        op.left_shift,
        isinstance(op, int_ops.QSub),
        _codes(a),
        _codes(b),
        dtype(node.output.dtype),
        requant(op.requant),
        constants.isa,
    )


def mul(op: int_ops.QMul, node: Node[IntOp], constants: Constants) -> native.Op | None:
    """QMul: a table of all pairs, or a scaled product that equals it."""
    a, b = node.inputs
    if not all(codes8.is_byte(value) for value in (a, b, node.output)):
        return None
    return native.mul_s8(
        op.a_zero_point,
        op.b_zero_point,
        _codes(a),
        _codes(b),
        dtype(node.output.dtype),
        requant(op.requant),
        constants.isa,
    )


def prelu(op: int_ops.QPrelu, node: Node[IntOp], constants: Constants) -> native.Op | None:
    """QPrelu of one constant slope: a table."""
    x, slope = node.inputs
    slopes = constants.arrays.get(slope.name)
    entries = [r.multiplier.size * r.qmin.size for r in (op.positive, op.negative)]
    if not codes8.is_byte(x) or slopes is None or max(slopes.size, *entries) > 1:
        return None
    codes = x.dtype.codes()
    table = int32(elementwise.prelu(op, node, slopes)(codes))
    return native.lookup(int(codes[0]), table, dtype(node.output.dtype), constants.isa)


def numbers(operand: int_ops.Operand) -> tuple[int, int, int]:
    """As the kernels take them."""
    return operand.zero_point, operand.multiplier, operand.shift


def _codes(value: Value) -> tuple[native.DType, int, int]:
    return dtype(value.dtype), *code_range(value)
