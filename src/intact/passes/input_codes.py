"""Layers that read codes of their own: an activation narrower than the value that others read too.

1. A value that only the layer reads, computed (through data movement and pooling) from one that
   only this path reads: that value is the layer's input, and nothing is inserted.
2. Else a `Clamp` without bounds, ``<layer>.input``: the same numbers, with codes of their own.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value, free_name
from intact.passes.placement import KeepsParams, Observed, Place, Shared, placement
from intact.passes.rewrite import sole_reader


def input_codes(
    graph: Graph[FloatOp], inference: Graph[FloatOp], layers: Collection[str]
) -> tuple[Graph[FloatOp], dict[str, str]]:
    """The graph, and the value whose codes each layer reads.

    Args:
        graph: As it is trained, with BatchNorms.
        inference: The same without them; values are named as in this one.
        layers: Names of nodes; each reads its first input.
    """
    places = placement(inference)
    nodes = inference.producers()
    found = {name: _own(inference, places, nodes[name].inputs[0]) for name in layers}
    taken = {value.name: None for value in graph.values()} | dict.fromkeys(graph.constants)
    rewritten: list[Node[FloatOp]] = []
    read = {name: source for name, source in found.items() if source is not None}
    for node in graph.nodes:
        if node.name in found and found[node.name] is None:
            source = node.inputs[0]
            value = Value(free_name(f"{node.name}.input", taken), source.shape, source.dtype)
            rewritten.append(Node(ops.Clamp(None, None), (source,), value))
            node = replace(node, inputs=(value, *node.inputs[1:]))
            read[node.name] = value.name
        rewritten.append(node)
    return replace(graph, nodes=tuple(rewritten)), read


def _own(graph: Graph[FloatOp], places: Mapping[str, Place], value: Value) -> str | None:
    """The observed value that reaches a layer through `value` alone, or None."""
    producers = graph.producers()
    while sole_reader(graph, value) is not None:
        match places.get(value.name):
            case Observed():
                return value.name
            case Shared(_, 1.0) if isinstance(producers[value.name].op, KeepsParams):
                value = producers[value.name].inputs[0]
            case _:
                return None
    return None
