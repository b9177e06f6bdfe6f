"""What passes share: new values in place of old ones."""

from collections.abc import Mapping
from dataclasses import replace

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value


def sole_reader(graph: Graph[FloatOp], value: Value) -> Node[FloatOp] | None:
    """The node that alone reads a value; None for a graph output or any other number of readers."""
    if value.name in {output.name for output in graph.outputs}:
        return None
    readers = graph.consumers().get(value.name, [])
    return readers[0] if len(readers) == 1 else None


def substitute(node: Node[FloatOp], values: Mapping[str, Value]) -> Node[FloatOp]:
    """The node with inputs replaced by name."""
    inputs = tuple(values.get(value.name, value) for value in node.inputs)
    return node if inputs == node.inputs else replace(node, inputs=inputs)
