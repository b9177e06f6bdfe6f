"""Empirical bias correction: each layer's mean output becomes that of the float network again.

Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction",
appendix D. For each output channel of each layer, in the order of the network,

    b' = b - (E[y'] - E[y]),

with y the float network's output before the activation and y' the quantized one's, all layers
before it corrected already. Unlike the analytic correction it takes in what rounded activations,
clipped ranges and borders add. A channel's mean is taken over samples and places alike, and over
the same samples in both networks, so that few of them are enough.

In one thing it departs from the paper: where a ReLU or clamp is fused into the layer, places at
which both networks lie in the same flat part do not count. No error passes there, and the few
places far in the flat part, whose errors are large, would shift all others. (MobileNetV2, W4A8 with
`LeastSquares`, 70 photographs: SQNR of the logits 1.6 dB, 4.0 dB with all places, 7.1 dB so.)
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.model import QuantizedModel
from intact.numerics.arrays import F64
from intact.passes.bounds import bounds
from intact.passes.rewrite import sole_reader
from intact.ptq.bias_correction import shift_biases
from intact.ptq.layerwise import Env, Layerwise, Stepped, layers
from intact.ptq.protocol import Batch, Progress


@dataclass(frozen=True, slots=True)
class EmpiricalBiasCorrection:
    """Replaces the biases of all layers that have quantized weights; works after other methods."""

    samples: int = 128  # the first of the calibration data
    memory: int = 1 << 30  # bytes of activations that are kept

    def __call__(
        self,
        model: QuantizedModel,
        reference: Graph[FloatOp],
        batches: Iterable[Batch],
        progress: Progress,
    ) -> QuantizedModel:
        """The network with corrected biases.

        Raises:
            CalibrationError: if there are no samples.
        """
        quantized, real = Stepped(model), Stepped(QuantizedModel(reference, {}, {}))
        walk = Layerwise((quantized, real), batches, self.samples, self.memory)
        todo = layers(model)
        for done, (index, node) in enumerate(todo):
            error = _MeanError(quantized, real, index)
            walk.visit(index, error.see, partial(progress, "correcting biases", done, len(todo)))
            quantized.shifts[node.name] = -error.mean
        return replace(model, graph=shift_biases(model.graph, quantized.shifts))


class _MeanError:
    """E[y'] - E[y] of each output channel of node `index`."""

    def __init__(self, quantized: Stepped, real: Stepped, index: int) -> None:
        self._networks = (quantized, real)
        self._nodes = (quantized.graph.nodes[index], real.graph.nodes[index])
        self._axis = -1 if isinstance(self._nodes[0].op, ops.Linear) else 1
        self._low, self._high = _bounds(quantized.graph, self._nodes[0], self._axis)
        self._total: F64 | float = 0.0
        self._count: F64 | float = 0.0

    def see(self, envs: tuple[Env, ...], samples: int) -> None:
        found, wanted = (
            network.layer(node, env, samples)
            for network, node, env in zip(self._networks, self._nodes, envs, strict=True)
        )
        passes = (torch.maximum(found, wanted) > self._low) & (
            torch.minimum(found, wanted) < self._high
        )
        self._total = self._total + self._sums((found - wanted) * passes)
        self._count = self._count + self._sums(passes.float())

    def _sums(self, x: Tensor) -> F64:
        """Of each channel; of float32 over places, then of float64 over samples."""
        x = x.movedim(self._axis, 1)
        places = x.reshape(*x.shape[:2], -1)
        return np.asarray(places.sum(2).sum(0, dtype=torch.float64))

    @property
    def mean(self) -> F64:
        return np.asarray(self._total / np.maximum(self._count, 1))


def _bounds(graph: Graph[FloatOp], node: Node[FloatOp], axis: int) -> tuple[Tensor, Tensor]:
    """Between which numbers the activation fused into a layer lets errors pass; they broadcast."""
    reader = sole_reader(graph, node.output)
    found = bounds(graph, reader, axis) if reader is not None else None
    low, high = (-np.inf, np.inf) if found is None else found
    shape = (-1, *(1,) * (len(node.output.shape) - 1 - axis % len(node.output.shape)))
    first, last = (torch.tensor(end, dtype=torch.float32).reshape(shape) for end in (low, high))
    return first, last
