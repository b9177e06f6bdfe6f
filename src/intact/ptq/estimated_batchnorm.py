"""BatchNorms for a network that has lost them: identities that know mean and deviation again.

Exported networks often have their BatchNorms folded into the layers. Equalization, absorption and
`FromBatchNorm` ask for beta and gamma, the mean and deviation of each channel of a layer's output.
A few samples tell them: a BatchNorm with

    beta = mean,   gamma = sqrt(variance + eps)

and these mean and variance of its input changes nothing, and is folded like any other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from intact.capture.module import from_graph
from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value, free_name
from intact.numerics.arrays import F64
from intact.numerics.formats import FP32
from intact.passes.drop_dropout import drop_dropout
from intact.passes.rewrite import substitute
from intact.ptq.protocol import Batch, Progress
from intact.ptq.samples import streamed

_EPS = 1e-12  # a channel that never varies has gamma = 1e-6


@dataclass(frozen=True, slots=True)
class EstimateBatchNorm:
    """Puts a BatchNorm behind each convolution and linear layer (N, C) that has none.

    `samples` are enough; the others are not read. A layer that gives the network's output gets
    none, as values keep their names.
    """

    needs_samples: ClassVar[bool] = True

    samples: int = 64

    def __call__(
        self, graph: Graph[FloatOp], batches: Iterable[Batch], progress: Progress
    ) -> Graph[FloatOp]:
        """The same network with a BatchNorm behind each layer."""
        graph = drop_dropout(graph)
        layers = {node.name: _Sums() for node in graph.nodes if _lacks_norm(graph, node)}
        if not layers:
            return graph
        self._measure(graph, layers, batches, progress)
        return _with_norms(graph, layers)

    def _measure(
        self,
        graph: Graph[FloatOp],
        layers: dict[str, "_Sums"],
        batches: Iterable[Batch],
        progress: Progress,
    ) -> None:
        def add(name: str, x: Tensor) -> None:
            if name in layers:
                layers[name].add(x)

        module, seen = from_graph(graph).eval(), 0
        with torch.no_grad():
            for inputs, samples in streamed(graph, batches):
                module.run(inputs, add)
                seen += samples
                progress("estimating BatchNorm", seen, self.samples)
                if seen >= self.samples:
                    return
        if not seen:
            raise CalibrationError(
                "there are no calibration samples; to estimate BatchNorm give at least one batch"
            )


@dataclass
class _Sums:
    """Of the numbers of each channel along axis 1, and of their squares."""

    first: F64 = field(default_factory=lambda: np.zeros(1))
    second: F64 = field(default_factory=lambda: np.zeros(1))
    count: int = 0

    def add(self, x: Tensor) -> None:
        channels = x.movedim(1, 0).flatten(1).double()
        self.first = self.first + channels.sum(1).numpy()
        self.second = self.second + (channels**2).sum(1).numpy()
        self.count += channels.shape[1]

    @property
    def moments(self) -> tuple[F64, F64]:
        """(mean, variance)."""
        mean = self.first / self.count
        return mean, np.maximum(self.second / self.count - mean**2, 0)


def _lacks_norm(graph: Graph[FloatOp], node: Node[FloatOp]) -> bool:
    matrix = isinstance(node.op, ops.Linear) and len(node.output.shape) == 2
    if not (matrix or isinstance(node.op, ops.Conv | ops.ConvTranspose)):
        return False
    readers = graph.consumers().get(node.name, [])
    is_output = node.name in {value.name for value in graph.outputs}
    return not is_output and not any(isinstance(r.op, ops.BatchNorm) for r in readers)


def _with_norms(graph: Graph[FloatOp], layers: dict[str, _Sums]) -> Graph[FloatOp]:
    constants = dict(graph.constants)
    taken = {value.name for value in graph.values()} | constants.keys()
    instead: dict[str, Value] = {}
    nodes: list[Node[FloatOp]] = []
    for old in graph.nodes:
        node = substitute(old, instead)
        nodes.append(node)
        if node.name not in layers:
            continue
        mean, variance = layers[node.name].moments
        arrays = {
            "gamma": np.sqrt(variance.astype(np.float32) + _EPS),
            "beta": mean,
            "mean": mean,
            "variance": variance,
        }
        output = replace(node.output, name=free_name(f"{node.name}.norm", taken))
        taken.add(output.name)
        inputs = [node.output]
        for part, array in arrays.items():
            inputs.append(Value(free_name(f"{output.name}.{part}", taken), array.shape, FP32))
            taken.add(inputs[-1].name)
            constants[inputs[-1].name] = array.astype(np.float32)
        instead[node.name] = output
        nodes.append(Node(ops.BatchNorm(_EPS), tuple(inputs), output))
    return replace(graph, nodes=tuple(nodes), constants=constants)
