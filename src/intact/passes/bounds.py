"""Bounds of activations, of a whole tensor or of each channel."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value, free_name
from intact.numerics.arrays import F64, Array
from intact.numerics.formats import FP32


def bounds(graph: Graph[FloatOp], node: Node[FloatOp], axis: int = 1) -> tuple[F64, F64] | None:
    """(low, high) of each channel of a ReLU, `Clamp` or `ChannelClamp`; None for other nodes.

    Infinite where there is no bound. The channels lie along `axis`; a `ChannelClamp` has bounds
    along axis 1 only.
    """
    channels = node.output.shape[axis]
    match node.op:
        case ops.Relu():
            return np.zeros(channels), np.full(channels, np.inf)
        case ops.Clamp(lower, upper):
            low = np.full(channels, -np.inf if lower is None else lower)
            return low, np.full(channels, np.inf if upper is None else upper)
        case ops.ChannelClamp() if axis == 1:
            low, high = (
                graph.constants[value.name].astype(np.float64) for value in node.inputs[1:]
            )
            return low, high
        case _:
            return None


def with_bounds(
    graph: Graph[FloatOp],
    nodes: Sequence[Node[FloatOp]],
    change: Callable[[F64, F64], tuple[Array, Array]],
) -> Graph[FloatOp]:
    """The graph with every `Clamp` and `ChannelClamp` among the nodes bounded for each channel.

    `change` maps the lower and upper bounds of a node's channels to others.
    """
    names = {node.name for node in nodes}
    constants = dict(graph.constants)
    taken = {value.name for value in graph.values()} | constants.keys()
    made = []
    for node in graph.nodes:
        if node.name in names and isinstance(node.op, ops.Clamp | ops.ChannelClamp):
            found = bounds(graph, node)
            assert found is not None
            arrays = change(*found)
            if isinstance(node.op, ops.Clamp):
                node = Node(ops.ChannelClamp(), (node.inputs[0], *_new(node, taken)), node.output)
            for value, array in zip(node.inputs[1:], arrays, strict=True):
                constants[value.name] = np.asarray(array, np.float32)
        made.append(node)
    return replace(graph, nodes=tuple(made), constants=constants)


def _new(node: Node[FloatOp], taken: set[str]) -> list[Value]:
    """The constants of a node that becomes a `ChannelClamp`."""
    names = [free_name(f"{node.name}.{end}", taken) for end in ("low", "high")]
    taken.update(names)
    return [Value(name, (node.output.shape[1],), FP32) for name in names]
