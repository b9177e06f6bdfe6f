"""Dead channels of BatchNorms, whose folded weights would be too large for everything else.

Folding multiplies the weights of channel k by gamma_k / sqrt(variance_k + eps). Where nothing
varies that is gamma_k / sqrt(eps): weights that do nothing but stretch the range which a tensor
shares, and leave its other channels a few codes (Sheng et al. 2018, "A quantization-friendly
separable convolution for MobileNets", section 3.2).

1. variance_k <= threshold * eps: gamma_k becomes 0, so that the channel is its constant beta_k, and
   once folded has weights of 0.
2. Any other channel stays.

The channel's true output varies around beta_k with a deviation of
|gamma_k| sqrt(variance_k / (variance_k + eps)), at most sqrt(threshold) |gamma_k|: by default 1 %
of what a living channel's is, and less than half of an 8-bit step of a range of -6 to 6 deviations.
(Others put the mean variance of the layer in place of such a variance; that leaves weights that
still do nothing.)
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value, free_name
from intact.numerics.arrays import Array

THRESHOLD = 1e-4


def dead_channels(
    graph: Graph[FloatOp], threshold: float = THRESHOLD
) -> dict[str, NDArray[np.bool_]]:
    """Which channels (C,) of each BatchNorm are dead, by its name; those that have any."""
    found = {
        node.name: _dead(node.op, _parameters(node, graph.constants), threshold)
        for node in graph.nodes
        if isinstance(node.op, ops.BatchNorm)
    }
    return {name: dead for name, dead in found.items() if dead.any()}


def repair_dead_channels(graph: Graph[FloatOp], threshold: float = THRESHOLD) -> Graph[FloatOp]:
    """The network with every dead channel at its constant."""
    dead = dead_channels(graph, threshold)
    constants = dict(graph.constants)
    readers = graph.consumers()
    taken = {*constants, *(value.name for value in graph.values())}
    nodes: list[Node[FloatOp]] = []
    for node in graph.nodes:
        if node.name not in dead:
            nodes.append(node)
            continue
        x, gamma, *rest = node.inputs
        if len(readers[gamma.name]) > 1:
            gamma = Value(free_name(f"{node.name}.weight", taken), gamma.shape, gamma.dtype)
            taken.add(gamma.name)
        kept = graph.constants[node.inputs[1].name]
        constants[gamma.name] = np.where(dead[node.name], 0, kept).astype(kept.dtype)
        nodes.append(replace(node, inputs=(x, gamma, *rest)))
    return replace(graph, nodes=tuple(nodes), constants=constants)


def _parameters(node: Node[FloatOp], constants: Mapping[str, Array]) -> tuple[Array, Array] | None:
    """(gamma, variance) of a BatchNorm; None if one of them is computed."""
    names = (node.inputs[1].name, node.inputs[4].name)
    if any(name not in constants for name in names):
        return None
    return constants[names[0]], constants[names[1]]


def _dead(
    op: ops.BatchNorm, parameters: tuple[Array, Array] | None, threshold: float
) -> NDArray[np.bool_]:
    if parameters is None:
        return np.zeros(0, np.bool_)
    gamma, variance = parameters
    return np.asarray((variance <= threshold * op.eps) & (gamma != 0))
