"""Cross-layer equalization: equal ranges for the channels that one layer writes and another reads.

Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction",
section 4.1. Of a channel i between two layers let r1 be the range of the first layer's weights that
write it and r2 that of the second's weights that read it. With

    s = sqrt(r1 / r2),    W1' = W1 / s,    b1' = b1 / s,    W2' = W2 s

the network computes the same, and both ranges are sqrt(r1 r2). The ranges are those of the weights
with their BatchNorm folded in, while the graph keeps it: of a layer with one, gamma and beta are
divided instead, so that they stay the deviation and the mean of its outputs.

1. All `chains` in turn, over and over, until no factor changes by more than `tolerance`.
2. A channel that is never written, its weights in W1 all 0 or all but, keeps s = 1: its constant
   would grow. One that is never read shrinks to next to nothing, r2 counting as `DEAD` of the
   layer's: left as it is, its weights could stretch the range of W1 for nothing.
3. A `Clamp` on the way becomes a `ChannelClamp` with the bounds low / s and high / s: ReLU6 keeps
   its meaning exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.arrays import F32, F64, Array
from intact.passes.bounds import with_bounds
from intact.passes.chains import Chain, Layer, NormChain, chains, folded_taps
from intact.passes.channels import flattened, scaled

SMALLEST, LARGEST = 1e-8, 1e8  # of a channel's factor
DEAD = 1e-12  # of the layer's range: a channel below it has no weights
TOLERANCE = 1e-4  # of the logarithm of a factor: ranges are then equal to twice that
SWEEPS = 1000  # each takes as long as reading all weights some times; tens are usual


def equalize(
    graph: Graph[FloatOp],
    *,
    symmetric: bool = True,
    tolerance: float = TOLERANCE,
    most_sweeps: int = SWEEPS,
) -> Graph[FloatOp]:
    """The same function with equal ranges on both sides of every channel in a chain.

    Args:
        graph: The network, its BatchNorms not folded.
        symmetric: Whether a range is max|w|, for weights without zero point, or else max - min,
            both widened to 0.
        tolerance: The largest relative change of a factor at which the iteration ends.
        most_sweeps: After which it ends in any case.
    """
    found = chains(graph)
    layers = {layer.node.name: layer for chain in found for layer in (chain.first, *chain.second)}
    sides = {name: _Side.of(graph, layer, found, symmetric) for name, layer in layers.items()}
    factors = [np.ones(chain.channels) for chain in found]
    for _ in range(most_sweeps):
        changes = [_step(chain, sides, s) for chain, s in zip(found, factors, strict=True)]
        if max(changes, default=0.0) <= tolerance:
            break
    for chain, s in zip(found, factors, strict=True):
        graph = rescaled(graph, chain, s)
    return graph


@dataclass
class _Side:
    """The folded weight of a layer, reduced to what ranges need, and its factors so far."""

    low: F64 | None  # (groups, outputs of a group, inputs of a group): smallest tap, at most 0
    high: F64  # largest of the taps, at least 0; without `low` the largest magnitude
    written: F64  # factor of each output channel: (groups, outputs of a group, 1)
    read: F64  # of each input channel: (groups, 1, inputs of a group)

    @classmethod
    def of(
        cls, graph: Graph[FloatOp], layer: Layer, found: list[Chain], symmetric: bool
    ) -> "_Side":
        taps = folded_taps(graph, layer, _channels_read(layer, found))
        low, high = np.minimum(taps.min(axis=3), 0), np.maximum(taps.max(axis=3), 0)
        groups, outputs, inputs = high.shape
        written, read = np.ones((groups, outputs, 1)), np.ones((groups, 1, inputs))
        if symmetric:
            return cls(None, np.maximum(-low, high), written, read)
        return cls(low, high, written, read)

    def outputs(self) -> F64:
        """Range of each output channel."""
        largest = self._largest(self.read, 2)
        return np.asarray((largest * self.written[:, :, 0]).ravel())

    def inputs(self) -> F64:
        """Range of each input channel."""
        largest = self._largest(self.written, 1)
        return np.asarray((largest * self.read[:, 0]).ravel())

    def _largest(self, factor: F64, axis: int) -> F64:
        high = (self.high * factor).max(axis=axis)
        low = 0.0 if self.low is None else (self.low * factor).min(axis=axis)
        return np.asarray(high - low)


def _channels_read(layer: Layer, found: list[Chain]) -> int:
    """How many channels a layer reads: in a chain those before they were flattened."""
    counts = [chain.channels for chain in found if layer in chain.second]
    return counts[0] if counts else layer.inputs


def _step(chain: Chain, sides: Mapping[str, _Side], total: F64) -> float:
    """Equalizes one chain, multiplies `total` by its factors; the largest change as a logarithm."""
    first = sides[chain.first.node.name]
    second = [sides[layer.node.name] for layer in chain.second]
    r1, r2 = first.outputs(), np.max([side.inputs() for side in second], axis=0)
    r2 = np.maximum(r2, DEAD * r2.max())
    alive = (r1 > DEAD * r1.max()) & (r2 > 0)
    s = np.sqrt(np.divide(r1, r2, where=alive, out=np.ones_like(r1)))
    s = np.clip(total * s, SMALLEST, LARGEST) / total
    first.written /= s.reshape(first.written.shape)
    for side in second:
        side.read *= s.reshape(side.read.shape)
    total *= s
    return float(np.abs(np.log(s)).max())


def rescaled(graph: Graph[FloatOp], chain: Chain | NormChain, s: Array) -> Graph[FloatOp]:
    """The same function with the chain's channels divided by s (C,) between its layers."""
    constants = dict(graph.constants)
    if isinstance(chain, NormChain):
        smaller = [value.name for value in chain.norm.inputs[1:3]]
    elif chain.first.norm is not None:
        smaller = [value.name for value in chain.first.norm.inputs[1:3]]
    else:
        first = chain.first
        weight, *smaller = (value.name for value in first.node.inputs[1:])
        ones = np.ones(first.inputs)
        constants[weight] = _float32(scaled(first.op, constants[weight], 1 / s, ones))
    for name in smaller:
        constants[name] = _float32(constants[name] / s)
    for layer in chain.second:
        weight = layer.node.inputs[1].name
        ones = np.ones(layer.outputs)
        constants[weight] = _float32(scaled(layer.op, constants[weight], ones, s))
    graph = replace(graph, constants=constants)

    def smaller_bounds(low: F64, high: F64) -> tuple[F64, F64]:
        factor = flattened(s, low.size)
        return low / factor, high / factor

    return with_bounds(graph, chain.between, smaller_bounds)


def _float32(x: Array) -> F32:
    return np.asarray(x, np.float32)
