"""Vector kernels for 8-bit codes beside linear algebra; None where they do not apply."""

from intact.exec.exact import code_range
from intact.exec.native import codes8
from intact.exec.native.building import dtype, requant
from intact.exec.native.library import native
from intact.ir import int_ops
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp
from intact.numerics.formats import Int


def sum_(op: int_ops.QAdd | int_ops.QSub, node: Node[IntOp]) -> native.Op | None:
    """QAdd, QSub: a table of all pairs, or a weighted sum that equals it."""
    a, b = node.inputs
    if not all(_is_byte(value) for value in (a, b, node.output)):
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
        codes8.isa(),
    )


def numbers(operand: int_ops.Operand) -> tuple[int, int, int]:
    """As the kernels take them."""
    return operand.zero_point, operand.multiplier, operand.shift


def _is_byte(value: Value) -> bool:
    return isinstance(value.dtype, Int) and value.dtype.storage.itemsize == 1


def _codes(value: Value) -> tuple[native.DType, int, int]:
    return dtype(value.dtype), *code_range(value)
