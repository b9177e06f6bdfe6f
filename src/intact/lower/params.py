"""Which parameters a node's codes have, or why it has none."""

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node
from intact.lower.builder import Builder
from intact.lower.requant import integer_format
from intact.numerics.qtensor import QuantParams
from intact.passes.placement import activation_inputs


def all_params(build: Builder, node: Node[FloatOp], target: str) -> list[QuantParams] | str:
    """Parameters of a node's inputs, then of `target`; or the reason why it stays float."""
    found = []
    for value in activation_inputs(node):
        params = build.params.get(value.name)
        if params is None or integer_format(params) is None:
            return f"its input {value.name} is float"
        found.append(params)
    output = build.params.get(target)
    if output is None or integer_format(output) is None:
        return "its output is float"
    return [*found, output]
