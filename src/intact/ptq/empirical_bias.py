"""Empirical bias correction: each layer's mean output becomes that of the float network again.

Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction",
appendix D. For each output channel of each layer, in the order of the network,

    b' = b - (E[y'] - E[y]),

with y the float network's output before the activation and y' the quantized one's, all layers
before it corrected already. Unlike the analytic correction it takes in what rounded activations,
clipped ranges and borders add. A channel's mean is taken over samples and places alike, and over
the same samples in both networks, so that few of them are enough.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.model import QuantizedModel
from intact.numerics.arrays import F64
from intact.ptq.bias_correction import InputMean, shift_biases
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
            progress("correcting biases", done, len(todo))
            error = _MeanError(quantized, real, node, reference.nodes[index])
            walk.visit(index, error.see)
            quantized.shifts[node.name] = -error.mean
        return replace(model, graph=shift_biases(model.graph, quantized.shifts))


class _MeanError:
    """E[y'] - E[y] of each output channel of a layer."""

    def __init__(
        self, quantized: Stepped, real: Stepped, node: Node[FloatOp], same: Node[FloatOp]
    ) -> None:
        self._networks = ((quantized, node), (real, same))
        axis = -1 if isinstance(node.op, ops.Linear) else 1
        self._sums = InputMean(axis)

    def see(self, envs: tuple[Env, ...], samples: int) -> None:
        outputs = [
            network.layer(node, env, samples)
            for (network, node), env in zip(self._networks, envs, strict=True)
        ]
        self._sums = self._sums.updated(outputs[0] - outputs[1])

    @property
    def mean(self) -> F64:
        return self._sums.mean
