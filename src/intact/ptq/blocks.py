"""Blocks: the stretches of a network between the values that everything flows through.

1. The network is cut after a node if of all that was computed so far later nodes read its output
   alone; inputs of the network may be read on both sides. So a residual block stays whole.
2. It is not cut before a ReLU that is fused into its layer (`placement`), nor where the output has
   its batch elsewhere than along axis 0, as a block must run by itself.
"""

from dataclasses import dataclass

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.passes.placement import Fused, placement


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive nodes; `extract(graph, block.inputs, block.outputs)` is the block by itself."""

    inputs: tuple[str, ...]  # computed before it, or inputs of the network
    nodes: tuple[str, ...]
    outputs: tuple[str, ...]  # what later nodes read, and outputs of the network


def blocks(graph: Graph[FloatOp]) -> tuple[Block, ...]:
    """The blocks in execution order; they have every node once. The graph has no dead nodes."""
    places = placement(graph)
    made: list[Block] = []
    nodes: list[Node[FloatOp]] = []
    for number, node in enumerate(graph.nodes):
        nodes.append(node)
        later = graph.nodes[number + 1 :]
        if later and (isinstance(places[node.name], Fused) or not _runs_alone(node.output)):
            continue
        if _crossing(graph, number) <= {node.name}:
            made.append(_block(graph, nodes, later))
            nodes = []
    return tuple(made)


def _runs_alone(value: Value) -> bool:
    return value.shape[:1] == (-1,) or all(dim >= 0 for dim in value.shape)


def _crossing(graph: Graph[FloatOp], number: int) -> set[str]:
    """What was computed up to a node and is read after it."""
    computed = {node.name for node in graph.nodes[: number + 1]}
    return computed & {value.name for node in graph.nodes[number + 1 :] for value in node.inputs}


def _block(
    graph: Graph[FloatOp], nodes: list[Node[FloatOp]], later: tuple[Node[FloatOp], ...]
) -> Block:
    names = [node.name for node in nodes]
    read = dict.fromkeys(value.name for node in nodes for value in node.inputs)
    wanted = {value.name for node in later for value in node.inputs}
    wanted.update(value.name for value in graph.outputs)
    return Block(
        inputs=tuple(name for name in read if name not in {*names, *graph.constants}),
        nodes=tuple(names),
        outputs=tuple(name for name in names if name in wanted),
    )
