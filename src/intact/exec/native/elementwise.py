"""Native operations on single elements."""

from intact.exec.native.building import Built, Constants, built, dtype, int32
from intact.exec.native.library import native
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp


def lookup(op: int_ops.Lookup, node: Node[IntOp], constants: Constants) -> Built:
    """Lookup."""
    del constants
    format = node.inputs[0].dtype
    low = int(format.codes()[-1]) + 1 - (1 << format.bits)
    return built(native.lookup(low, int32(op.table), dtype(node.output.dtype)), node)
