"""extract: the part of a graph between some of its values."""

from collections.abc import Sequence

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value


def extract(graph: Graph[FloatOp], inputs: Sequence[str], outputs: Sequence[str]) -> Graph[FloatOp]:
    """The nodes that compute `outputs` from `inputs`, with the constants that they read.

    Args:
        graph: The whole.
        inputs: Names of values that are the part's inputs, in this order.
        outputs: Names of values that are the part's outputs, in this order.

    Raises:
        ValueError: if there is no value of a name, or an output depends on a graph input that is
            not among `inputs`.
    """
    values = {value.name: value for value in graph.values()}
    for name in (*inputs, *outputs):
        if name not in values:
            raise ValueError(f'the graph has no value "{name}"')
    kept = _needed(graph, frozenset(inputs), outputs)
    read = {value.name for node in kept for value in node.inputs} | set(outputs)
    missing = read & {value.name for value in graph.inputs} - set(inputs)
    if missing:
        raise ValueError(f"{list(outputs)} depend on {sorted(missing)}, not on {list(inputs)} only")
    return Graph(
        _named(values, inputs),
        _named(values, outputs),
        kept,
        {name: array for name, array in graph.constants.items() if name in read},
    )


def _named(values: dict[str, Value], names: Sequence[str]) -> tuple[Value, ...]:
    return tuple(values[name] for name in names)


def _needed(
    graph: Graph[FloatOp], inputs: frozenset[str], outputs: Sequence[str]
) -> tuple[Node[FloatOp], ...]:
    wanted = set(outputs) - inputs
    kept: list[Node[FloatOp]] = []
    for node in reversed(graph.nodes):
        if node.name in wanted:
            kept.append(node)
            wanted.update(value.name for value in node.inputs if value.name not in inputs)
    return tuple(reversed(kept))
