"""ReLU6 → ReLU (Nagel et al. 2019, section 5.1.1), which is another function: it costs accuracy.

`equalize` needs it no longer: it bounds each channel. This is for targets without such bounds.
"""

from dataclasses import replace

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph


def relu6_to_relu(graph: Graph[FloatOp]) -> Graph[FloatOp]:
    """The network without the upper bound of every `Clamp(0, high)` with high > 0."""
    return replace(
        graph,
        nodes=tuple(
            replace(node, op=ops.Relu()) if _is_clipped_relu(node.op) else node
            for node in graph.nodes
        ),
    )


def _is_clipped_relu(op: FloatOp) -> bool:
    return isinstance(op, ops.Clamp) and op.low == 0 and (op.high is None or op.high > 0)
