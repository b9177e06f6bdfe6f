"""Builds one quantized network: samples as tensors, a recipe, the Program and its certificate."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intact import ptq
from intact.api.certify import Witness, certificate
from intact.api.network import QuantizedNetwork
from intact.data.batch import blaming_indices
from intact.data.function import item_inputs
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.lower.lower import lower_with_reasons
from intact.numerics.arrays import Array
from intact.ptq import Progress, Recipe


@dataclass(frozen=True, slots=True)
class Built:
    """A network, and what it was lowered from."""

    network: QuantizedNetwork
    quantized: ptq.Quantized


class CalibrationSamples:
    """Calibration data as tensors, read as often as a recipe needs."""

    def __init__(self, graph: Graph[FloatOp], batches: Iterable[object]) -> None:
        self._graph = graph
        self._batches = batches
        self.witness = Witness(graph.inputs)  # of the reading that saw most

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        witness = Witness(self._graph.inputs)
        for arrays in witness.watch(self._arrays()):
            yield tuple(map(as_tensor, arrays))
            if witness.samples > self.witness.samples:
                self.witness = witness

    def _arrays(self) -> Iterator[tuple[Array, ...]]:
        for number, item in enumerate(self._batches):
            yield item_inputs(item, self._graph.inputs, f"calibration batch {number}")


def as_tensor(array: Array) -> Tensor:
    """A copy, as torch warns of read-only arrays; NumPy's usual float64 is nobody's input."""
    return torch.tensor(array.astype(np.float32) if array.dtype == np.float64 else array)


def build(
    graph: Graph[FloatOp],
    name: str,
    recipe: Recipe,
    batches: Iterable[object],
    progress: Progress,
    seed: int | None,
) -> Built:
    """The network that a recipe gives, certified under the recipe's name."""
    samples = CalibrationSamples(graph, batches)

    def show(what: str, done: int, total: int | None = None) -> None:
        progress(f"{what} {name}", done, total)

    with blaming_indices(graph.inputs, "calibration"):
        made = ptq.run(recipe, graph, samples, show)
    lowered = lower_with_reasons(made.model)
    origin = certificate(lowered.program, name, recipe, seed, samples.witness, made.seen.statistics)
    network = QuantizedNetwork(
        lowered.program, made.model, lowered.stays_float, name, certificate=origin
    )
    return Built(network, made)
