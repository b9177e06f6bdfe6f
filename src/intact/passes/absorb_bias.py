"""Absorbs high biases into the next layer (Nagel et al. 2019, section 4.1.3).

Where a layer's output has mean beta and deviation gamma, which its BatchNorm knows, a ReLU behind
leaves c = max(0, beta - n gamma) of it alone: with n = 3 for 99.865 % of a normal distribution

    relu(x) = relu(x - c) + c,    W2 relu(x) + b2 = W2 relu(x - c) + (b2 + W2 c).

So beta becomes beta - c and c passes through the next layer into its bias, or is subtracted from
its BatchNorm's mean; the range of the activation gets smaller.

1. In each of `chains` whose first layer has a BatchNorm, directly behind which is a ReLU or bounds
   with low = 0. What follows up to the next layer must leave a constant as it is (pooling, means,
   resizing, reshaping).
2. An upper bound h moves too, to h - c, and c <= h: min(x, h) = min(x - c, h - c) + c.
3. Padding is 0 before and after, so that a border misses c times its taps on it. The paper does not
   mind; here such a chain is left alone unless `across_borders`.
"""

from dataclasses import replace

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value, free_name
from intact.numerics.arrays import F64, Array
from intact.numerics.formats import FP32
from intact.passes.bounds import bounds, with_bounds
from intact.passes.chains import Chain, Layer, chains
from intact.passes.channels import through
from intact.passes.fold_batchnorm import output_moments

_KEEPS_CONSTANTS = (
    ops.Dropout, ops.MaxPool, ops.AdaptiveAvgPool, ops.Mean, ops.ResizeNearest,
    ops.ResizeBilinear, ops.Permute, ops.Reshape,
)  # fmt: skip


def absorb_bias(
    graph: Graph[FloatOp], *, deviations: float = 3.0, across_borders: bool = False
) -> Graph[FloatOp]:
    """The network with what ReLUs nearly always leave alone moved into the next layer's bias.

    It computes nearly the same: what it changes is where x < c, and borders if they are asked for.

    Args:
        graph: The network, its BatchNorms not folded.
        deviations: n above; more is safer and absorbs less.
        across_borders: Whether zero padding on the way is ignored.
    """
    for chain in chains(graph):
        activation = _activation(chain)
        if activation is None or not _passes(chain, across_borders):
            continue
        constant = _constant(graph, chain, activation, deviations)
        if constant is not None and constant.any():
            graph = _moved(graph, chain, constant)
    return graph


def _activation(chain: Chain) -> Node[FloatOp] | None:
    """The one that directly reads the first layer's output."""
    if chain.first.norm is None or not chain.between:
        return None
    node = chain.between[0]
    return node if node.inputs[0].name == chain.first.output.name else None


def _passes(chain: Chain, across_borders: bool) -> bool:
    """Whether constants of the activation's output arrive at the next layers."""
    behind = all(_keeps_constants(node.op, across_borders) for node in chain.between[1:])
    padded = any(_is_padded(layer.op) for layer in chain.second)
    return behind and (across_borders or not padded)


def _keeps_constants(op: FloatOp, across_borders: bool) -> bool:
    match op:
        case ops.Pad(mode=mode):
            return across_borders or mode is not ops.PadMode.CONSTANT
        case ops.AvgPool(padding=padding, count_include_pad=counts):
            return across_borders or not (counts and any(map(sum, padding)))
        case _:
            return isinstance(op, _KEEPS_CONSTANTS)


def _is_padded(op: FloatOp) -> bool:
    if isinstance(op, ops.Conv):
        return any(sum(pair) > 0 for pair in op.padding)
    return isinstance(op, ops.ConvTranspose)


def _constant(
    graph: Graph[FloatOp], chain: Chain, activation: Node[FloatOp], deviations: float
) -> F64 | None:
    """C of each channel; None where the activation is no ReLU."""
    found = bounds(graph, activation)
    if found is None or chain.first.norm is None:
        return None
    low, high = found
    mean, deviation = output_moments(chain.first.norm, graph.constants)
    constant = np.clip(mean - deviations * deviation, 0, np.maximum(high, 0))
    return np.where(low == 0, constant, 0.0)


def _moved(graph: Graph[FloatOp], chain: Chain, constant: F64) -> Graph[FloatOp]:
    assert chain.first.norm is not None
    graph = _plus(graph, chain.first.norm.inputs[2], -constant)
    graph = with_bounds(graph, chain.between[:1], lambda low, high: (low, high - constant))
    for layer in chain.second:
        weight = graph.constants[layer.node.inputs[1].name]
        shift = through(layer.op, weight, constant)
        if layer.norm is None:
            graph = _with_bias(graph, layer, shift)
        else:
            graph = _plus(graph, layer.norm.inputs[3], -shift)
    return graph


def _plus(graph: Graph[FloatOp], value: Value, shift: Array) -> Graph[FloatOp]:
    moved = (graph.constants[value.name] + shift).astype(np.float32)
    return replace(graph, constants={**graph.constants, value.name: moved})


def _with_bias(graph: Graph[FloatOp], layer: Layer, shift: F64) -> Graph[FloatOp]:
    """Adds to the layer's bias; one without gets it."""
    if len(layer.node.inputs) > 2:
        return _plus(graph, layer.node.inputs[2], shift)
    taken = {value.name for value in graph.values()} | graph.constants.keys()
    bias = Value(free_name(f"{layer.node.name}.bias", taken), shift.shape, FP32)
    node = replace(layer.node, inputs=(*layer.node.inputs, bias))
    nodes = tuple(node if old.name == node.name else old for old in graph.nodes)
    constants = {**graph.constants, bias.name: shift.astype(np.float32)}
    return replace(graph, nodes=nodes, constants=constants)
