"""Blame: which layers a quantized network loses its accuracy in.

Each block of the network (`ptq.blocks`) runs on the float network's own values. With f its float
output, q the quantized one and q_l that of the block in which layer l is restored to float,

    noise = |q - f|**2 / |f|**2,    share_l = max(0, noise - noise_l) / sum of all blocks' noise,

over all samples. Restored are the layer's weight, with its bias, and its output's rounding, or the
weight alone; a fused ReLU belongs to its layer. The quantized block is simulated in float32, whose
error is far below that of the codes. So the time grows with the length of blocks, not with that of
the network.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from intact.capture.module import from_graph
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.model import QuantizedModel
from intact.numerics.qtensor import QuantParams
from intact.passes.extract import extract
from intact.passes.placement import Fused, HasWeight, Observed, placement, resolve
from intact.ptq import Batch, Progress, Quantized, silent
from intact.ptq.blocks import Block, blocks
from intact.ptq.samples import streamed
from intact.ptq.simulation import Simulation

T = TypeVar("T")

ENOUGH = 32  # samples


@dataclass(frozen=True, slots=True)
class Blame:
    """A layer's share of the network's noise: 0 is none of it, 1 all."""

    layer: str  # a node, or an input of the network
    share: float
    weight: float  # of `share`: what goes if the weight alone is restored

    @property
    def activation(self) -> float:
        """Of `share`: what goes with the output's rounding only."""
        return max(0.0, self.share - self.weight)


def blame(
    quantized: Quantized,
    batches: Iterable[Batch],
    progress: Progress = silent,
    samples: int = ENOUGH,
) -> tuple[Blame, ...]:
    """The layers that quantization changed, the guiltiest first.

    Args:
        quantized: What `ptq.run` gave.
        batches: As for calibration; only the first `samples` or few more are read.
        progress: Told of "finding layers at fault" and the number of blocks.
        samples: A few are enough.

    Raises:
        CalibrationError: if a batch does not fit the inputs.
    """
    parts = _parts(quantized)
    noises = [_Noises(part) for part in parts]
    seen = 0
    with torch.inference_mode():
        for inputs, count in streamed(quantized.reference, batches):
            given = dict(zip((v.name for v in quantized.reference.inputs), inputs, strict=True))
            flowing: dict[str, Tensor] = {}
            for number, (part, noise) in enumerate(zip(parts, noises, strict=True)):
                flowing = _measure(part, given | flowing, noise)
                progress("finding layers at fault", number + 1, len(parts))
            seen += count
            if seen >= samples:
                break
    return _ranked(noises)


@dataclass(frozen=True, slots=True)
class _Layer:
    """What can be restored."""

    name: str
    weight: str | None  # of the constants
    output: str | None  # of the activations


@dataclass(frozen=True, slots=True)
class _Part:
    """A block: float, quantized and with each of its layers restored."""

    block: Block
    reference: Graph[FloatOp]
    model: QuantizedModel
    layers: tuple[_Layer, ...]
    rounded: frozenset[str]  # inputs whose rounding belongs to this block

    def restored(self, layer: _Layer, *, output: bool) -> QuantizedModel:
        """The quantized block without the noise of a layer's weight, and of its output."""
        model = self.model
        if layer.weight is not None:
            model = replace(model, weights=_without(model.weights, layer.weight))
            node = self.reference.producers()[layer.name]
            model = replace(model, graph=_with_bias_of(model.graph, node, self.reference))
        if output and layer.output is not None:
            model = replace(model, activations=_without(model.activations, layer.output))
        return model


class _Noises:
    """Sums of squares of a block's outputs, by what was restored."""

    def __init__(self, part: _Part) -> None:
        self.layers = part.layers
        self.signal = 0.0
        self.whole = 0.0
        self.restored = {layer.name: np.zeros(2) for layer in part.layers}  # both, weight

    def ratio(self, noise: float) -> float:
        """Noise to signal; a block that is always 0 has none."""
        return noise / self.signal if self.signal else 0.0


def _without(items: Mapping[str, T], name: str) -> dict[str, T]:
    return {key: item for key, item in items.items() if key != name}


def _with_bias_of(
    graph: Graph[FloatOp], node: Node[FloatOp], reference: Graph[FloatOp]
) -> Graph[FloatOp]:
    """With the float layer's bias: the quantized one may make up for the weight's error."""
    inputs = graph.producers()[node.name].inputs
    if len(inputs) < 3:
        return graph
    own = graph.constants[inputs[2].name]
    bias = reference.constants[node.inputs[2].name] if len(node.inputs) > 2 else np.zeros_like(own)
    return replace(graph, constants={**graph.constants, inputs[2].name: bias})


def _parts(quantized: Quantized) -> list[_Part]:
    model, reference = quantized.model, quantized.reference
    static = {n: p for n, p in model.activations.items() if isinstance(p, QuantParams)}
    params = resolve(placement(model.graph), static)
    layers = {layer.name: layer for layer in _layers(model)}
    inputs = [value.name for value in reference.inputs]
    read: set[str] = set()
    parts = []
    for block in blocks(reference):
        fresh = [name for name in inputs if name in block.inputs and name not in read]
        read.update(fresh)
        graph = extract(model.graph, block.inputs, block.outputs)
        known = {n: params[n] for n in block.inputs if n in params}
        inner = {n: static[n] for n in (*block.nodes, *graph.constants) if n in static}
        weights = {n: w for n, w in model.weights.items() if n in graph.constants}
        parts.append(
            _Part(
                block,
                extract(reference, block.inputs, block.outputs),
                QuantizedModel(graph, weights, {**known, **inner}),
                tuple(layers[n] for n in (*fresh, *block.nodes) if n in layers),
                frozenset(fresh),
            )
        )
    return parts


def _layers(model: QuantizedModel) -> Iterator[_Layer]:
    places = placement(model.graph)
    fused = {place.into for place in places.values() if isinstance(place, Fused)}
    for value in model.graph.inputs:
        if value.name in model.activations:
            yield _Layer(value.name, None, value.name)
    for node in model.graph.nodes:
        if node.name in fused:
            continue
        place = places[node.name]
        target = place.into if isinstance(place, Fused) else node.name
        output = target if isinstance(places[target], Observed) else None
        output = output if output in model.activations else None
        weight = node.inputs[1].name if isinstance(node.op, HasWeight) else None
        weight = weight if weight in model.weights else None
        if weight or output:
            yield _Layer(node.name, weight, output)


def _measure(part: _Part, values: Mapping[str, Tensor], noises: _Noises) -> dict[str, Tensor]:
    """Adds one piece of samples; returns the float block's outputs."""
    inputs = [values[name] for name in part.block.inputs]
    real = from_graph(part.reference).eval().run(inputs)
    exact = {n: values[n] for n in part.block.inputs if n not in part.rounded}

    def noise(model: QuantizedModel) -> float:
        return _noise(model, inputs, exact, real)

    whole = noise(part.model)
    noises.signal += sum(map(_square, real))
    noises.whole += whole
    for layer in part.layers:
        weight = noise(part.restored(layer, output=False)) if layer.weight else whole
        # Without its only layer's noise a block is the float one.
        both = 0.0 if len(part.layers) == 1 else noise(part.restored(layer, output=True))
        noises.restored[layer.name] += (both, weight)
    return dict(zip(part.block.outputs, real, strict=True))


def _noise(
    model: QuantizedModel,
    inputs: Sequence[Tensor],
    exact: Mapping[str, Tensor],
    real: Sequence[Tensor],
) -> float:
    """The squared error of a block; what flows into it is not rounded again."""
    made = Simulation(model).run(inputs, lambda name, _: exact.get(name))
    return sum(_square(q - f) for q, f in zip(made, real, strict=True))


def _square(x: Tensor) -> float:
    """Sum of squares."""
    return float(torch.linalg.vector_norm(x)) ** 2


def _ranked(noises: Sequence[_Noises]) -> tuple[Blame, ...]:
    total = sum(block.ratio(block.whole) for block in noises)
    found = []
    for block in noises:
        for layer in block.layers:
            left = block.restored[layer.name]
            gains = [block.ratio(max(0.0, float(block.whole - noise))) for noise in left]
            both, weight = (gain / total if total else 0.0 for gain in gains)
            found.append(Blame(layer.name, both, min(weight, both)))
    return tuple(sorted(found, key=lambda item: -item.share))
