"""AdaRound: rounds each weight up or down so that its layer's output comes out right.

Nagel et al. 2020, "Up or down? Adaptive rounding for post-training quantization". Rounding to the
nearest is not the best even for the squared error of one layer, as the errors of its weights add up
in each output. Layer by layer in the order of the network, with the layers before it done, the
rounding is learned (`rounding`) for the smallest

    E ||f(W x + b) - f(W~ x~ + b~)||^2,

where x is what the layer reads in the float network, x~ in the quantized one, and f the activation
that is fused into it. The bias is learned along with it, which corrects it as well.

An output position depends on one patch of the input: some thousand of them are drawn from all
samples, and each step of the optimizer takes a few of these.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial

import torch
from torch import Tensor

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.model import QuantizedModel
from intact.numerics.formats import Int
from intact.numerics.qtensor import ScaledTensor
from intact.passes.placement import Fused, placement
from intact.ptq.bias_correction import shift_biases
from intact.ptq.layerwise import Env, Layerwise, Stepped, layers
from intact.ptq.positions import Layer, Positions, product, rows
from intact.ptq.protocol import Batch, Progress
from intact.ptq.rounding import Learning, SoftRounding, learn

_LARGEST_INPUTS = 1 << 25  # numbers in the patches of one layer: 128 MiB
_LEARNING = Learning()


@dataclass(frozen=True, kw_only=True, slots=True)
class AdaRound:
    """Learns the rounding of weights with integer codes; formats and scales stay.

    `match` are patterns of layers' names, as in a rule; other layers stay as they are.
    """

    match: tuple[str, ...] = ("*",)
    learning: Learning = _LEARNING
    samples: int = 128  # the first of the calibration data
    positions: int = 16384  # of a layer's output, from all samples
    batch: int = 256  # of them in a step
    memory: int = 1 << 30  # bytes of activations that are kept
    seed: int = 0

    def __call__(
        self,
        model: QuantizedModel,
        reference: Graph[FloatOp],
        batches: Iterable[Batch],
        progress: Progress,
    ) -> QuantizedModel:
        """The network with learned rounding and biases.

        Raises:
            CalibrationError: if there are no samples.
        """
        generator = torch.Generator().manual_seed(self.seed)
        quantized, real = Stepped(model), Stepped(QuantizedModel(reference, {}, {}))
        walk = Layerwise((quantized, real), batches, self.samples, self.memory)
        weights = dict(model.weights)
        todo = learned(model, self.match)
        steps = self.learning.iterations
        for done, (index, node, nearest) in enumerate(todo):
            layer = _Layer(quantized, index)
            patches = _Patches(layer, _Layer(real, index), self.positions, walk.count, generator)

            def tell(iteration: int, before: int = done * steps) -> None:
                progress("learning rounding", before + iteration, len(todo) * steps)

            walk.visit(index, patches.see, partial(tell, 0))
            output = _Output(layer, patches, self.batch, generator)
            soft = SoftRounding(reference.constants[layer.weight], nearest)
            learn({layer.weight: soft}, [output.shift], output.error, self.learning, tell)
            weights[layer.weight] = codes = soft.hard()
            quantized.set_weight(layer.weight, torch.from_numpy(codes.dequantize()))
            quantized.shifts[node.name] = (output.shift * output.unit).double().numpy()
        return replace(model, graph=shift_biases(model.graph, quantized.shifts), weights=weights)


def learned(
    model: QuantizedModel, match: Iterable[str]
) -> list[tuple[int, Node[FloatOp], ScaledTensor]]:
    """The layers that match and have a weight of integer codes, with their indices and codes.

    Of several that share a weight the first one; what reads a constant has nothing to learn from.
    """
    found: dict[str, tuple[int, Node[FloatOp], ScaledTensor]] = {}
    patterns = tuple(match)
    for index, node in layers(model):
        weight = model.weights[node.inputs[1].name]
        if (
            isinstance(weight, ScaledTensor)
            and isinstance(weight.params.format, Int)
            and node.inputs[0].name not in model.graph.constants
            and any(fnmatchcase(node.name, pattern) for pattern in patterns)
        ):
            found.setdefault(node.inputs[1].name, (index, node, weight))
    return list(found.values())


class _Layer:
    """A layer with the activation that is fused into it, at some positions of its output."""

    def __init__(self, network: Stepped, index: int) -> None:
        self.node = network.graph.nodes[index]
        assert isinstance(self.node.op, Layer)
        self.op: Layer = self.node.op
        self.weight = self.node.inputs[1].name
        self._network = network
        place = placement(network.graph)[self.node.name]
        self._fused = network.graph.producers()[place.into] if isinstance(place, Fused) else None

    @property
    def present_weight(self) -> Tensor:
        """The weight as the network has it now."""
        return self._network.constant(self.weight)

    def output(self, x: Tensor, weight: Tensor, shift: Tensor | float = 0.0) -> Tensor:
        """The output (P, O) at positions that depend on x (G, P, K); `shift` adds to the bias."""
        y = product(x, rows(self.op, weight)) + shift
        if len(self.node.inputs) > 2:
            y = y + self._network.constant(self.node.inputs[2].name)
        if self._fused is None:
            return y
        return self._network.layer(self._fused, {self.node.name: y}, len(y))


class _Patches:
    """What a layer reads at some positions of its output, and what it should give there."""

    def __init__(
        self, layer: _Layer, real: _Layer, wanted: int, samples: int, generator: torch.Generator
    ) -> None:
        self._layer, self._real = layer, real
        reads = rows(layer.op, layer.present_weight)[:, 0].numel()  # by one position
        self._each = min(wanted, _LARGEST_INPUTS // reads) / samples
        self._generator = generator
        self.inputs: list[Tensor] = []  # (G, P, K)
        self.targets: list[Tensor] = []  # (P, O)

    def see(self, envs: tuple[Env, ...], samples: int) -> None:
        """Draws positions of some samples."""
        quantized, real = (env[self._layer.node.inputs[0].name] for env in envs)
        weight = self._real.present_weight
        wanted = math.ceil(self._each * samples)
        positions = Positions(self._layer.op, weight.shape, quantized, wanted, self._generator)
        with torch.no_grad():
            self.inputs.append(positions.inputs(quantized))
            self.targets.append(self._real.output(positions.inputs(real), weight))


class _Output:
    """How far a layer's output is from its target, for a weight; each time at other positions."""

    def __init__(
        self, layer: _Layer, patches: _Patches, batch: int, generator: torch.Generator
    ) -> None:
        self._layer, self._generator = layer, generator
        self._inputs, self._targets = torch.cat(patches.inputs, 1), torch.cat(patches.targets)
        self._batch = min(batch, len(self._targets))
        self.unit = float(self._targets.square().mean().sqrt())
        self.shift = torch.zeros(self._targets.shape[1])  # of the bias, in units

    def error(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Squared error, mean over positions."""
        drawn = torch.randint(len(self._targets), (self._batch,), generator=self._generator)
        shift = self.shift * self.unit
        y = self._layer.output(self._inputs[:, drawn], weights[self._layer.weight], shift)
        return (y - self._targets[drawn]).square().sum(1).mean()
