"""Which parameters a node's codes have, or why it has none."""

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node
from intact.lower.builder import Builder
from intact.lower.requant import coded, integer_format
from intact.numerics.formats import Binary
from intact.numerics.qtensor import QuantParams
from intact.passes.placement import activation_inputs

GivesSigns = (
    ops.Conv, ops.ConvTranspose, ops.Linear, ops.MatMul, ops.Add, ops.Sub, ops.Mul, ops.Mean,
    ops.Concat, ops.Relu, ops.Clamp, ops.ChannelClamp, ops.Prelu, ops.Pad, ops.MaxPool,
    ops.ResizeNearest,
)  # fmt: skip


def all_params(build: Builder, node: Node[FloatOp], target: str) -> list[QuantParams] | str:
    """Parameters of a node's inputs, then of `target`; or the reason why it stays float.

    A binary output is left as it is: `requant` gives its signs.
    """
    found = []
    for value in activation_inputs(node):
        params = build.params.get(value.name)
        if params is None or integer_format(params) is None:
            return f"its input {value.name} is float"
        found.append(coded(params))
    output = build.params.get(target)
    if output is None or integer_format(output) is None:
        return "its output is float"
    if not isinstance(output.format, Binary):
        return [*found, coded(output)]
    if isinstance(node.op, GivesSigns):
        return [*found, output]
    return "its output is binary, which it has no integers for"
