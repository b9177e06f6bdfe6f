"""Weights that stay codes in memory and become real numbers inside of a kernel."""

from collections.abc import Mapping

from intact.ir.float_ops import Linear
from intact.ir.graph import Node
from intact.ir.int_ops import Dequantize, IntOp, Program
from intact.numerics.formats import Int
from intact.numerics.qtensor import ScaledTensor


def kept_packed(program: Program) -> Mapping[str, ScaledTensor]:
    """The integer weights that only float `Linear` layers read, by the name of their Dequantize."""
    consumers = program.consumers()
    outputs = {value.name for value in program.outputs}
    kept = {}
    for node in program.nodes:
        op, source = node.op, node.inputs[0] if node.inputs else None
        if (
            isinstance(op, Dequantize)
            and source is not None
            and source.name in program.constants
            and isinstance(source.dtype, Int)
            and source.dtype.bits <= 8
            and node.name not in outputs
            and all(_is_weight(node.name, reader) for reader in consumers.get(node.name, []))
        ):
            kept[node.name] = ScaledTensor(program.constants[source.name], op.params)
    return kept


def _is_weight(name: str, reader: Node[IntOp]) -> bool:
    values = [value.name for value in reader.inputs]
    return isinstance(reader.op, Linear) and values[1] == name and values.count(name) == 1
