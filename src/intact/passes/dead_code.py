"""Removes nodes and constants that no output needs."""

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node


def dead_code(graph: Graph[FloatOp]) -> Graph[FloatOp]:
    """The graph without nodes and constants that no output depends on.

    Graph inputs stay, read or not: they are the network's signature.
    """
    needed = {value.name for value in graph.outputs}
    nodes: list[Node[FloatOp]] = []
    for node in reversed(graph.nodes):
        if node.name in needed:
            nodes.append(node)
            needed.update(value.name for value in node.inputs)
    constants = {name: array for name, array in graph.constants.items() if name in needed}
    return Graph(graph.inputs, graph.outputs, tuple(reversed(nodes)), constants)
