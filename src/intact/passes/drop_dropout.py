"""Removes Dropout, which is the identity outside of training."""

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.passes.rewrite import substitute


def drop_dropout(graph: Graph[FloatOp]) -> Graph[FloatOp]:
    """The graph without Dropout: whoever read its output reads its input.

    A graph output that a Dropout wrote becomes the value that the Dropout read.
    """
    values: dict[str, Value] = {}
    nodes: list[Node[FloatOp]] = []
    for old in graph.nodes:
        node = substitute(old, values)
        if isinstance(node.op, ops.Dropout):
            values[node.name] = node.inputs[0]
        else:
            nodes.append(node)
    outputs = tuple(values.get(value.name, value) for value in graph.outputs)
    return Graph(graph.inputs, outputs, tuple(nodes), graph.constants)
