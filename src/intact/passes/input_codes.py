"""Layers that read codes of their own: an activation narrower than the value that others read too.

1. A value that only the layer reads, computed (through data movement and pooling) from one that
   only this path reads: that value is the layer's input, and nothing is inserted.
2. Else a `Clamp` without bounds, ``<layer>.input``: the same numbers, with codes of their own.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, OpT, Value, free_name
from intact.ir.scans import flattened
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
    flat = flattened(inference)
    nodes = flat.producers()
    found = {name: _own(flat, places, nodes[name].inputs[0]) for name in layers}
    taken = {value.name for value in flattened(graph).values()} | graph.constants.keys()
    read = {
        name: free_name(f"{name}.input", taken) if source is None else source
        for name, source in found.items()
    }

    def inserted(node: Node[OpT]) -> Iterator[Node[OpT | ops.Clamp]]:
        """The layer, behind its Clamp if it needs one."""
        if found.get(node.name, "") is not None:
            yield node
            return
        value = replace(node.inputs[0], name=read[node.name])
        yield Node(ops.Clamp(None, None), node.inputs[:1], value)
        yield replace(node, inputs=(value, *node.inputs[1:]))

    def within(node: Node[FloatOp]) -> Node[FloatOp]:
        """The same in the body of a loop."""
        if not isinstance(node.op, ops.Scan):
            return node
        body = node.op.body
        inner = tuple(made for each in body.nodes for made in inserted(each))
        return replace(node, op=replace(node.op, body=replace(body, nodes=inner)))

    rewritten = tuple(made for node in graph.nodes for made in inserted(within(node)))
    return replace(graph, nodes=rewritten), read


def _own(graph: Graph[FloatOp], places: Mapping[str, Place], value: Value) -> str | None:
    """The observed value that reaches a layer through `value` alone, or None."""
    producers = graph.producers()
    while sole_reader(graph, value) is not None:
        match places.get(value.name):
            case Observed():
                return value.name
            case Shared(_, 1.0) if _moves(producers.get(value.name)):
                value = producers[value.name].inputs[0]
            case _:
                return None
    return None


def _moves(node: Node[FloatOp] | None) -> bool:
    return node is not None and isinstance(node.op, KeepsParams)
