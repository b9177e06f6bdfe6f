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
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.model import QuantizedModel
from intact.passes.channels import Layered
from intact.passes.placement import Fused, placement
from intact.ptq.layerwise import Env, Stepped
from intact.ptq.positions import Positions, product
from intact.ptq.protocol import Batch, Progress
from intact.ptq.reconstruction import Part, Reconstruction, Shift, able
from intact.ptq.rounding import Learning
from intact.ptq.unfolded import as_rows

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
        both = Reconstruction(model, reference, batches, self.samples, self.memory)
        generator = torch.Generator().manual_seed(self.seed)
        found = able(model, self.match).items()
        parts = [Part(index, (node,), (node,)) for index, node in found]
        begin = partial(LayerOutput, both, self.positions, self.batch, generator)
        return both.run(parts, begin, self.learning, progress)


class _Layer:
    """A layer with the activation that is fused into it, at some positions of its output."""

    def __init__(self, network: Stepped, index: int) -> None:
        self.node = network.graph.nodes[index]
        assert isinstance(self.node.op, Layered)
        self.op: Layered = self.node.op
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
        y = product(x, as_rows(self.op, weight)) + shift
        if len(self.node.inputs) > 2:
            y = y + self._network.constant(self.node.inputs[2].name)
        if self._fused is None:
            return y
        return self._network.layer(self._fused, {self.node.name: y}, len(y))


class LayerOutput:
    """A layer's output at some positions; implements `Output`.

    Args:
        both: The two networks.
        positions: How many of the output are kept, from all samples.
        batch: How many of these the error is taken over.
        generator: Of the random numbers.
        part: The one layer.
    """

    def __init__(
        self,
        both: Reconstruction,
        positions: int,
        batch: int,
        generator: torch.Generator,
        part: Part,
    ) -> None:
        self._layer = _Layer(both.quantized, part.start)
        self._real = _Layer(both.real, part.start)
        reads = as_rows(self._layer.op, self._real.present_weight)[:, 0].numel()  # by one position
        self._each = min(positions, _LARGEST_INPUTS // reads) / both.samples
        self._batch, self._generator = batch, generator
        self._inputs: list[Tensor] = []  # (G, P, K)
        self._targets: list[Tensor] = []  # (P, O)

    def see(self, envs: tuple[Env, ...], samples: int) -> None:
        """Draws positions of some samples."""
        quantized, real = (env[self._layer.node.inputs[0].name] for env in envs)
        weight = self._real.present_weight
        wanted = math.ceil(self._each * samples)
        positions = Positions(self._layer.op, weight.shape, quantized, wanted, self._generator)
        with torch.no_grad():
            self._inputs.append(positions.inputs(quantized))
            self._targets.append(self._real.output(positions.inputs(real), weight))

    def shifts(self) -> dict[str, Shift]:
        """One variable for each output channel."""
        self._inputs, self._targets = [torch.cat(self._inputs, 1)], [torch.cat(self._targets)]
        (target,) = self._targets
        unit = float(target.square().mean().sqrt())
        return {self._layer.node.name: Shift(torch.zeros(target.shape[1]), unit)}

    def error(self, weights: Mapping[str, Tensor], shifts: Mapping[str, Shift]) -> Tensor:
        """Squared error, mean over positions."""
        (inputs,), (targets,) = self._inputs, self._targets
        size = min(self._batch, len(targets))
        drawn = torch.randint(len(targets), (size,), generator=self._generator)
        shift = shifts[self._layer.node.name].value
        y = self._layer.output(inputs[:, drawn], weights[self._layer.weight], shift)
        return (y - targets[drawn]).square().sum(1).mean()
