"""Bias correction: takes back what rounded weights add to a layer's mean output.

Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction",
section 4.2, with the mean input measured in calibration. With rounded weights W' = W + e the
output's mean moves by E[e x] = e E[x], so that

    b' = b - sum over kernel taps of e @ E[x].

E[x] is that of the float network, and a zero-padded border counts as if x went on there: both as
in the paper.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value, free_name
from intact.numerics.arrays import F32, F64, Array
from intact.numerics.formats import FP32
from intact.numerics.qtensor import QTensor
from intact.ptq.protocol import PtqRule, WeightMethod


@dataclass(frozen=True, slots=True)
class BiasCorrected:
    """`method`, and then the layer's bias makes up for the mean error; needs calibration data."""

    method: WeightMethod

    def __call__(self, weight: Tensor, inputs: Tensor | None = None) -> QTensor:
        """The weight as codes, by `method`."""
        return self.method(weight, inputs)


@dataclass(frozen=True, slots=True)
class InputMean:
    """Sums of each channel of a layer's input; those of several runs merge."""

    axis: int  # of the channels
    total: F64 | None = None  # (channels,)
    count: int = 0  # numbers in each channel's sum

    def updated(self, x: Tensor) -> "InputMean":
        """With one more piece of data."""
        axis = self.axis % x.ndim
        others = [i for i in range(x.ndim) if i != axis]
        # Sums of float32 over space, then of float64 over samples: quick, and exact enough.
        sums = x.sum(others[1:]).double().sum(0) if others[1:] else x.double().sum(0)
        total = sums.cpu().numpy()
        return replace(self, total=self._plus(total), count=self.count + x.numel() // len(total))

    def merge(self, other: "InputMean") -> "InputMean":
        """The sums of both."""
        if other.total is None:
            return self
        return replace(self, total=self._plus(other.total), count=self.count + other.count)

    def _plus(self, total: F64) -> F64:
        return total if self.total is None else self.total + total

    @property
    def mean(self) -> F64:
        """E[x] of each channel."""
        assert self.total is not None
        return self.total / self.count


def input_means(graph: Graph[FloatOp], chosen: Mapping[str, PtqRule]) -> dict[str, InputMean]:
    """What must be measured: the mean input of each layer whose bias is to be corrected."""
    return {
        node.name: InputMean(-1 if isinstance(node.op, ops.Linear) else 1)
        for node in graph.nodes
        if isinstance(node.op, ops.Conv | ops.ConvTranspose | ops.Linear)
        and node.name in chosen
        and isinstance(chosen[node.name].weight, BiasCorrected)
    }


def correct_biases(
    graph: Graph[FloatOp], weights: Mapping[str, QTensor], means: Mapping[str, InputMean]
) -> Graph[FloatOp]:
    """The graph with corrected biases; a layer without bias gets one, ``<layer>.bias``."""
    shifts: dict[str, F64] = {}
    for node in graph.nodes:
        if node.name in means and node.inputs[1].name in weights:
            name = node.inputs[1].name
            error = weights[name].dequantize().astype(np.float64) - graph.constants[name]
            shifts[node.name] = -mean_error(node.op, error, means[node.name].mean)
    return shift_biases(graph, shifts)


def shift_biases(graph: Graph[FloatOp], shifts: Mapping[str, F64]) -> Graph[FloatOp]:
    """The graph with numbers (O,) added to the biases of layers, given by the layers' names.

    A layer without bias gets one, ``<layer>.bias``; one that shares its bias gets its own.
    """
    constants = dict(graph.constants)
    readers = graph.consumers()
    taken = {*constants, *(value.name for value in graph.values())}
    nodes: list[Node[FloatOp]] = []
    for node in graph.nodes:
        if node.name not in shifts:
            nodes.append(node)
            continue
        shift = shifts[node.name]
        if len(node.inputs) > 2 and len(readers[node.inputs[2].name]) == 1:
            bias = node.inputs[2]
        else:
            bias = Value(free_name(f"{node.name}.bias", taken), shift.shape, FP32)
            taken.add(bias.name)
        before = constants[node.inputs[2].name] if len(node.inputs) > 2 else np.zeros(shift.shape)
        constants[bias.name] = _float32(before + shift)
        nodes.append(replace(node, inputs=(*node.inputs[:2], bias)))
    return replace(graph, nodes=tuple(nodes), constants=constants)


def mean_error(op: FloatOp, error: F64, mean: F64) -> F64:
    """E[error x] of each output channel, for a weight error in the layer's own layout."""
    match op:
        case ops.Conv(groups=groups):
            taps = error.sum(axis=tuple(range(2, error.ndim)))  # (O, C/groups)
            inputs = mean.reshape(groups, -1, 1)
            rows = taps.reshape(groups, -1, inputs.shape[1])
            return np.asarray((rows @ inputs).ravel())
        case ops.ConvTranspose(stride=stride, groups=groups):
            # Of a kernel's taps, one in prod(stride) reaches any output pixel.
            taps = error.sum(axis=(2, 3)) / np.prod(stride)  # (C, O/groups)
            inputs = mean.reshape(groups, 1, -1)
            columns = taps.reshape(groups, inputs.shape[2], -1)
            return np.asarray((inputs @ columns).ravel())
        case _:
            return np.asarray(error @ mean)


def _float32(x: Array) -> F32:
    return np.asarray(x, np.float32)
