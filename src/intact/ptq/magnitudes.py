"""How large the channels are that layers read, and the weights that read them."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from intact.capture.module import from_graph
from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.arrays import F64
from intact.passes.chains import Chain, Layer, NormChain, folded_taps
from intact.ptq.protocol import Batch, Progress
from intact.ptq.samples import streamed

AnyChain: TypeAlias = Chain | NormChain


class Magnitudes:
    """max|x| and mean|x| of each channel that the layers at the end of chains read."""

    def __init__(
        self,
        graph: Graph[FloatOp],
        chains: Sequence[AnyChain],
        batches: Iterable[Batch],
        progress: Progress,
    ) -> None:
        """Runs the float network once over the data.

        Raises:
            CalibrationError: if there is no sample, or one does not fit the inputs.
        """
        self._axes = {
            layer.node.inputs[0].name: -1 if isinstance(layer.op, ops.Linear) else 1
            for chain in chains
            for layer in chain.second
        }
        self._largest: dict[str, F64] = {}
        self._means: dict[str, F64] = {}  # of the pieces, weighted by their samples
        module, seen = from_graph(graph).eval(), 0
        with torch.no_grad():
            for inputs, samples in streamed(graph, batches):
                self._samples = samples
                module.run(inputs, self._see)
                seen += samples
                progress("measuring channels", seen)
        if not seen:
            raise CalibrationError("there are no calibration samples; give at least one batch")
        self._seen = seen

    def _see(self, name: str, x: Tensor) -> None:
        if name not in self._axes:
            return
        rows = x.abs().movedim(self._axes[name], 0).flatten(1)
        largest = rows.amax(1).double().numpy()
        mean = rows.mean(1).double().numpy() * self._samples
        self._largest[name] = np.maximum(self._largest.get(name, 0.0), largest)
        self._means[name] = self._means.get(name, np.zeros(1)) + mean

    def largest(self, chain: AnyChain) -> F64:
        """max|x| of each channel, over the samples and the chain's last layers."""
        parts = [self._largest[layer.node.inputs[0].name] for layer in chain.second]
        return np.asarray(np.max([x.reshape(chain.channels, -1).max(1) for x in parts], axis=0))

    def mean(self, chain: AnyChain) -> F64:
        """E|x| of each channel, over the samples and the chain's last layers."""
        parts = [self._means[layer.node.inputs[0].name] / self._seen for layer in chain.second]
        return np.asarray(np.mean([x.reshape(chain.channels, -1).mean(1) for x in parts], axis=0))


def weight_magnitude(graph: Graph[FloatOp], layer: Layer, channels: int) -> F64:
    """max|w| of what reads each of the `channels`, with the layer's BatchNorm folded in."""
    return np.asarray(np.abs(folded_taps(graph, layer, channels)).max(axis=(1, 3)).ravel())
