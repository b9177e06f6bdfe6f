"""Native operations on single elements."""

from intact.exec.exact import code_range
from intact.exec.native import elementwise8
from intact.exec.native.building import Built, Constants, built, dtype, int32, requant
from intact.exec.native.elementwise8 import numbers
from intact.exec.native.library import native
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp


def sum_(op: int_ops.QAdd | int_ops.QSub, node: Node[IntOp], constants: Constants) -> Built:
    """QAdd, QSub."""
    made = elementwise8.sum_(op, node, constants)
    if made is None:
        subtract = isinstance(op, int_ops.QSub)
        made = native.sum_codes(
            numbers(op.a),
            numbers(op.b),
            op.left_shift,
            subtract,
            requant(op.requant),
            constants.isa,
        )
    return built(made, node, 2)


def mul(op: int_ops.QMul, node: Node[IntOp], constants: Constants) -> Built:
    """QMul."""
    made = elementwise8.mul(op, node, constants)
    if made is None:
        made = native.mul(op.a_zero_point, op.b_zero_point, requant(op.requant), constants.isa)
    return built(made, node, 2)


def lookup(op: int_ops.Lookup, node: Node[IntOp], constants: Constants) -> Built:
    """Lookup."""
    format = node.inputs[0].dtype
    low = int(format.codes()[-1]) + 1 - (1 << format.bits)
    table = int32(op.table)
    return built(native.lookup(low, table, dtype(node.output.dtype), constants.isa), node)


def interpolated_lookup(
    op: int_ops.InterpolatedLookup, node: Node[IntOp], constants: Constants
) -> Built:
    """InterpolatedLookup."""
    x, out = node.inputs[0], node.output
    table = int32(op.table)
    made = native.interpolated_lookup(
        table, x.dtype.bits, code_range(x), code_range(out), constants.isa
    )
    return built(made, node)


def prelu(op: int_ops.QPrelu, node: Node[IntOp], constants: Constants) -> Built:
    """QPrelu."""
    table = elementwise8.prelu(op, node, constants)
    if table is not None:
        return built(table, node)
    positive, negative = requant(op.positive), requant(op.negative)
    return built(
        native.prelu(op.input_zero_point, op.slope_zero_point, positive, negative), node, 2
    )
