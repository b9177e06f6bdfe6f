"""BRECQ: learns the rounding of all layers of a block together, for the block's output.

Li et al. 2021, "BRECQ: Pushing the limit of post-training quantization by block reconstruction".
The loss of a network in its weights' errors is about a sum over blocks, as the layers within one
depend on each other more than on those outside; so the squared error of a block's output says more
about the loss than those of its layers one by one. Blocks are a network's stretches between values
that everything flows through (`blocks`), such as residual blocks; the rounding is that of AdaRound,
and a block of one layer is learned as there.

Activations inside a block are rounded, and pass their gradient on where they do not saturate. The
paper also weighs outputs with the Fisher information and learns the activations' scales; both are
left out here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, elements
from intact.model import QuantizedModel
from intact.ptq.adaround import LayerOutput
from intact.ptq.blocks import Block, blocks
from intact.ptq.layerwise import Env, along_channels
from intact.ptq.protocol import Batch, Progress
from intact.ptq.reconstruction import Output, Part, Reconstruction, Shift, able
from intact.ptq.rounding import Learning

_LEARNING = Learning()
_FEWEST = 4  # samples of a block in a step


@dataclass(frozen=True, kw_only=True, slots=True)
class Brecq:
    """Learns the rounding of weights with integer codes; formats and scales stay.

    `match` are patterns of layers' names, as in a rule; other layers stay as they are.
    """

    match: tuple[str, ...] = ("*",)
    learning: Learning = _LEARNING
    samples: int = 128  # the first of the calibration data
    positions: int = 16384  # of a single layer's output, from all samples
    batch: int = 256  # of them in a step; of a block's output at least so many, in whole samples
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

        found = _parts(model, self.match)

        def begin(part: Part) -> Output:
            block = found[part]
            if block is None:
                return LayerOutput(both, self.positions, self.batch, generator, part)
            return _BlockOutput(both, self.batch, generator, part, block)

        return both.run(list(found), begin, self.learning, progress)


def _parts(model: QuantizedModel, match: Iterable[str]) -> dict[Part, Block | None]:
    """The blocks that have several layers to learn; of the others the one layer, without block."""
    learning = able(model, match)
    found: dict[Part, Block | None] = {}
    start = 0
    for block in blocks(model.graph):
        stop = start + len(block.nodes)
        inside = {index: node for index, node in learning.items() if start <= index < stop}
        if len(inside) > 1:
            part = Part(start, model.graph.nodes[start:stop], tuple(inside.values()))
            found[part] = block
        else:
            found.update({Part(i, (node,), (node,)): None for i, node in inside.items()})
        start = stop
    return found


class _BlockOutput:
    """The outputs of a block, sample by sample; implements `Output`."""

    def __init__(
        self,
        both: Reconstruction,
        batch: int,
        generator: torch.Generator,
        part: Part,
        block: Block,
    ) -> None:
        self._both, self._part, self._block = both, part, block
        self._batch, self._generator = batch, generator
        self._inputs: list[Env] = []  # of the quantized network, one sample each
        self._targets: list[Env] = []
        values = self._both.quantized.graph.values()
        self._batched = {value.name for value in values if value.shape[:1] == (-1,)}
        self._squares = {node.name: 0.0 for node in part.layers}  # mean of a layer's outputs

    def see(self, envs: tuple[Env, ...], samples: int) -> None:
        """Runs the float block on some samples."""
        quantized, real = envs
        made = dict(real)
        with torch.no_grad():
            for node in self._both.real.graph.nodes[self._part.start :][: len(self._part.nodes)]:
                made[node.name] = self._both.real.step(node, made, samples)
                if node.name in self._squares:
                    part = samples / self._both.samples
                    self._squares[node.name] += float(made[node.name].square().mean()) * part
        self._inputs += self._cut({name: quantized[name] for name in self._block.inputs}, samples)
        self._targets += self._cut({name: made[name] for name in self._block.outputs}, samples)

    def shifts(self) -> dict[str, Shift]:
        """One variable for each output channel of each layer."""
        return {
            node.name: Shift(torch.zeros(_channels(node)), self._squares[node.name] ** 0.5)
            for node in self._part.layers
        }

    def error(self, weights: Mapping[str, Tensor], shifts: Mapping[str, Shift]) -> Tensor:
        """Squared error, mean over samples."""
        number = min(self._at_once(), len(self._inputs))
        drawn = torch.randperm(len(self._inputs), generator=self._generator)[:number].tolist()
        made = {**self._joined([self._inputs[i] for i in drawn]), **weights}
        quantized = self._both.quantized
        for node in self._part.nodes:
            y = quantized.layer(node, made, number)
            if node.name in shifts:
                y = y + along_channels(shifts[node.name].value, node.op, y)
            made[node.name] = quantized.rounded(node.name, y)
        targets = self._joined([self._targets[i] for i in drawn])
        errors = [(made[name] - target).square().sum() for name, target in targets.items()]
        return torch.stack(errors).sum() / number

    def _cut(self, env: Env, samples: int) -> list[Env]:
        """The values of each sample."""
        return [
            {name: x[i : i + 1] if name in self._batched else x for name, x in env.items()}
            for i in range(samples)
        ]

    def _joined(self, envs: Sequence[Env]) -> dict[str, Tensor]:
        """The values of several samples."""
        return {
            name: torch.cat([env[name] for env in envs]) if name in self._batched else x
            for name, x in envs[0].items()
        }

    def _at_once(self) -> int:
        """Samples in a step; one where they are batches of their own, without an axis for more."""
        if not self._batched:
            return 1
        last = self._part.layers[-1]
        positions = elements(last.output.shape) // _channels(last)
        return max(_FEWEST, -(-self._batch // positions))


def _channels(node: Node[FloatOp]) -> int:
    return node.output.shape[-1 if isinstance(node.op, ops.Linear) else 1]
