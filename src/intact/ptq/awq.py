"""AWQ: input channels that are large get finer steps of the weights that read them.

Lin et al. 2023, "AWQ: activation-aware weight quantization for LLM compression and acceleration",
eq. 4 and 5. A weight's error counts as much as its input is large. In a group of one step a weight
that is multiplied by s > 1 errs by 1 / s of what it did, while the step grows only if it becomes
the largest. Of each layer with weights W and inputs X, by channels j,

    s_j = (E|X_j|)**alpha,    W' = Q(W s) / s,    alpha = argmin ||W' X - W X||**2,

with alpha from a grid between 0 (nothing changes) and 1, and Q the way in which the weights will be
quantized. The factors are divided by sqrt(max s * min s), as in the paper's code.

1. 1 / s goes into the normalization or the layer in front, as with `SmoothQuant`. Layers that read
   the same channels share s; their errors are added.
2. ||E X||**2 is the trace of E (X X^T) E^T, so that inputs are read once for all alpha. Where Q is
   `BiasCorrected`, the mean of E X is taken back later, and X X^T is the covariance.
3. Chains that end at a transposed convolution, and those that gain nothing, are left.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.model import QuantizedModel
from intact.numerics.arrays import F64
from intact.passes.chains import Layer, chains, norm_chains
from intact.passes.channels import scaled
from intact.passes.drop_dropout import drop_dropout
from intact.passes.equalize import rescaled
from intact.passes.fold_batchnorm import affine
from intact.ptq.bias_correction import BiasCorrected
from intact.ptq.gptq import Moments
from intact.ptq.layerwise import Layerwise, Stepped
from intact.ptq.magnitudes import AnyChain, Magnitudes
from intact.ptq.protocol import Batch, Progress, WeightMethod
from intact.ptq.samples import first
from intact.ptq.unfolded import as_rows
from intact.ptq.weights import quantize_weight

_GAIN = 0.999  # of the error without factors: above it a chain is left


@dataclass(frozen=True, slots=True)
class Awq:
    """Moves room from weights of small inputs to those of large ones; the function stays the same.

    For weights only: activations become harder to quantize.
    """

    needs_samples: ClassVar[bool] = True

    method: WeightMethod  # what the rules quantize weights by
    steps: int = 20  # of alpha from 0 to 1
    samples: int = 128  # the first of the calibration data
    memory: int = 1 << 30  # bytes of activations that are kept

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"alpha is searched in at least one step, not {self.steps}")

    def __call__(
        self, graph: Graph[FloatOp], batches: Iterable[Batch], progress: Progress
    ) -> Graph[FloatOp]:
        """The network with scaled channels.

        Raises:
            CalibrationError: if there are no samples.
        """
        graph = drop_dropout(graph)
        found: list[AnyChain] = [*norm_chains(graph), *chains(graph)]
        found = [chain for chain in found if not _transposed(chain)]
        kept = list(first(graph.inputs, batches, self.samples))
        magnitudes = Magnitudes(graph, found, kept, progress)
        factors = [self._factors(magnitudes.mean(chain)) for chain in found]
        best = self._search(graph, found, factors, kept, progress)
        for chain, s, index in zip(found, factors, best, strict=True):
            if index > 0:
                graph = rescaled(graph, chain, s[index])
        return graph

    def _factors(self, mean: F64) -> F64:
        """(steps + 1, C): those of each alpha. A channel without inputs counts as the smallest."""
        alive = mean > 0
        if not alive.any():
            return np.ones((self.steps + 1, mean.size))
        x = np.where(alive, mean, mean[alive].min())
        s = x ** np.linspace(0, 1, self.steps + 1)[:, None]
        normal = np.sqrt(s.max(axis=1) * s.min(axis=1))
        return np.asarray(s / normal[:, None])

    def _search(
        self,
        graph: Graph[FloatOp],
        found: list[AnyChain],
        factors: list[F64],
        kept: list[tuple[Tensor, ...]],
        progress: Progress,
    ) -> list[int]:
        """Which factors of each chain make the smallest error."""
        ends = {layer.node.name: (k, layer) for k, c in enumerate(found) for layer in c.second}
        errors = np.zeros((len(found), self.steps + 1))
        walk = Layerwise((Stepped(QuantizedModel(graph, {}, {})),), kept, self.samples, self.memory)
        nodes = [(index, node) for index, node in enumerate(graph.nodes) if node.name in ends]
        for done, (index, node) in enumerate(nodes):
            k, layer = ends[node.name]
            moments = Moments(node, graph.constants[node.inputs[1].name].shape)
            walk.visit(index, moments.see, partial(progress, "scaling channels", done, len(nodes)))
            errors[k] += self._errors(graph, layer, moments, factors[k])
        best = errors.argmin(axis=1)
        gains = errors.min(axis=1) < _GAIN * errors[:, 0]
        return [int(index) for index in np.where(gains, best, 0)]

    def _errors(self, graph: Graph[FloatOp], layer: Layer, moments: Moments, factors: F64) -> F64:
        """Squared error of a layer's output for each of the factors (alphas, C)."""
        weight = graph.constants[layer.node.inputs[1].name].astype(np.float64)
        ones = np.ones(layer.outputs)
        if layer.norm is not None:
            factor, _ = affine(layer.norm, graph.constants)
            weight = scaled(layer.op, weight, factor, np.ones(factors.shape[1]))
        corrected = isinstance(self.method, BiasCorrected)
        products = moments.covariance if corrected else moments.products
        found = []
        for s in factors:
            codes = quantize_weight(layer.op, scaled(layer.op, weight, ones, s), self.method)
            error = scaled(layer.op, codes.dequantize(), ones, 1 / s) - weight
            rows = as_rows(layer.op, torch.from_numpy(error))
            found.append(float(((rows @ products) * rows).sum()))
        return np.array(found)


def _transposed(chain: AnyChain) -> bool:
    return any(isinstance(layer.op, ops.ConvTranspose) for layer in chain.second)
