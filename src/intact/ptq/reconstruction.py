"""Reconstruction: parts of a network learn one after the other to give what the float ones give.

A part is a layer (AdaRound) or a block of layers (BRECQ) whose weights have integer codes. With the
parts before it done, the rounding of its weights and its biases are learned together (`rounding`)
for the smallest squared error of its output.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.model import QuantizedModel
from intact.numerics.qtensor import ScaledTensor
from intact.ptq.bias_correction import shift_biases
from intact.ptq.layerwise import Env, Layerwise, Stepped, integer_weight, layers
from intact.ptq.protocol import Batch, Progress
from intact.ptq.rounding import Learning, SoftRounding, learn


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive nodes from index `start` on, and the layers among them that learn."""

    start: int
    nodes: tuple[Node[FloatOp], ...]
    layers: tuple[Node[FloatOp], ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """What is added to a layer's bias: `variable` (O,) times `unit`."""

    variable: Tensor
    unit: float  # about how large the layer's outputs are

    @property
    def value(self) -> Tensor:
        """In the bias's own measure."""
        return self.variable * self.unit


class Output(Protocol):
    """What a part shall give for what it reads, and how far from that it is."""

    def see(self, envs: tuple[Env, ...], samples: int) -> None:
        """Takes what is alive before the part in both networks, for some samples."""

    def shifts(self) -> Mapping[str, Shift]:
        """Variables for the biases, by layer; once everything was seen."""

    def error(self, weights: Mapping[str, Tensor], shifts: Mapping[str, Shift]) -> Tensor:
        """Squared error on samples that it draws, for weights by the constants' names."""


class Reconstruction:
    """The quantized network and the float one side by side, and what was learned so far.

    Args:
        model: The quantized network.
        reference: The float one, of the same nodes.
        batches: Calibration data.
        samples: How many of them are used, the first.
        memory: How many bytes of activations are kept.

    Raises:
        CalibrationError: if there are no samples.
    """

    def __init__(
        self,
        model: QuantizedModel,
        reference: Graph[FloatOp],
        batches: Iterable[Batch],
        samples: int,
        memory: int,
    ) -> None:
        self.quantized = Stepped(model)
        self.real = Stepped(QuantizedModel(reference, {}, {}))
        self._model, self._reference = model, reference
        self._walk = Layerwise((self.quantized, self.real), batches, samples, memory)
        self.samples = self._walk.count

    def run(
        self,
        parts: Sequence[Part],
        begin: Callable[[Part], Output],
        learning: Learning,
        progress: Progress,
    ) -> QuantizedModel:
        """The network after all parts, in their order."""
        weights = dict(self._model.weights)
        total = len(parts) * learning.iterations
        for number, part in enumerate(parts):

            def tell(iteration: int, before: int = number * learning.iterations) -> None:
                progress("learning rounding", before + iteration, total)

            learned = self._learn(part, begin(part), learning, tell)
            for name, weight in learned.items():
                self.quantized.set_weight(name, torch.from_numpy(weight.dequantize()))
            weights.update(learned)
        graph = shift_biases(self._model.graph, self.quantized.shifts)
        return replace(self._model, graph=graph, weights=weights)

    def _learn(
        self, part: Part, output: Output, learning: Learning, tell: Callable[[int], None]
    ) -> dict[str, ScaledTensor]:
        self._walk.visit(part.start, output.see, partial(tell, 0))
        shifts = output.shifts()
        soft = dict(self._soft(node.inputs[1].name) for node in part.layers)
        variables = [shift.variable for shift in shifts.values()]
        learn(soft, variables, lambda w: output.error(w, shifts), learning, tell)
        for name, shift in shifts.items():
            self.quantized.shifts[name] = shift.value.double().numpy()
        return {name: rounding.hard() for name, rounding in soft.items()}

    def _soft(self, name: str) -> tuple[str, SoftRounding]:
        codes = self._model.weights[name]
        assert isinstance(codes, ScaledTensor)
        return name, SoftRounding(self._reference.constants[name], codes)


def able(model: QuantizedModel, match: Iterable[str]) -> dict[int, Node[FloatOp]]:
    """By index the layers that match a pattern and have a weight of integer codes.

    Of several that share a weight it is the first one. A layer that reads a constant is left out:
    there is nothing to learn from.
    """
    patterns, known = tuple(match), set[str]()
    found: dict[int, Node[FloatOp]] = {}
    for index, node in layers(model):
        name = node.inputs[1].name
        reads = node.inputs[0].name not in model.graph.constants
        matches = any(fnmatchcase(node.name, pattern) for pattern in patterns)
        if integer_weight(model, node) and reads and matches and name not in known:
            found[index] = node
            known.add(name)
    return found
