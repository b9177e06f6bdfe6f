"""Ranges of activations and means of layers' inputs without samples, from BatchNorm's parameters.

Nagel et al. 2019, section 5: a BatchNorm's beta and gamma are the mean and the deviation of what it
gives, so that

    range = min over channels of (beta - n gamma) .. max over channels of (beta + n gamma)

with n = 6, cut by the activation function behind it. What follows, sums and pooling and layers
without BatchNorm, is `propagated`; so are the means that `BiasCorrected` weights ask for.

Nothing precedes the network's input: its range must be known. Images, inputs (N, 1 or 3, H, W),
are taken to be normalised to -2.12 .. 2.64, the range of ImageNet's usual mean and deviation, in
which -1 .. 1 and 0 .. 1 lie. The input's mean E[x] follows from the first layer's BatchNorm, whose
mean is that of W x + b; where it lies outside of the range, that is an error.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Value
from intact.numerics.arrays import F64
from intact.numerics.formats import Float
from intact.observers import MinMax, Observer, Statistics
from intact.passes.chains import layer_of
from intact.passes.channels import through
from intact.passes.drop_dropout import drop_dropout
from intact.passes.fold_batchnorm import folded_into, output_moments
from intact.passes.inference import for_inference
from intact.ptq.bias_correction import input_means
from intact.ptq.calibrate import Observations, choose, observers
from intact.ptq.moments import Moments, normal
from intact.ptq.propagation import propagated
from intact.ptq.protocol import Batch, Progress, PtqRule

_TELL = "give its range, as FromBatchNorm(input_range=(low, high)) or --input-range LOW HIGH"
IMAGES = (-2.1179, 2.64)  # of pixels 0..255 after (x / 255 - mean) / deviation, ImageNet's


@dataclass(frozen=True, slots=True)
class FromBatchNorm:
    """Observes a network without samples; of a rule's observer only the format counts.

    `deviations` is n above. `input_range` is that of the network's inputs, its mean in the middle.
    """

    deviations: float = 6.0
    input_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_range(self.input_range)

    def __call__(
        self,
        graph: Graph[FloatOp],
        rules: Sequence[PtqRule],
        batches: Iterable[Batch],  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
    ) -> Observations:
        """What BatchNorm knows.

        Raises:
            CalibrationError: if the network has no BatchNorm, the inputs' range is not given and
                not known, or a value's cannot be told from what comes before it.
        """
        if not any(isinstance(node.op, ops.BatchNorm) for node in graph.nodes):
            raise CalibrationError(
                "the network has no BatchNorm that knows its activations: they may be folded into"
                " its layers, as exporting to ONNX does. Quantize the network before that, or let a"
                " few samples tell (a recipe with EstimateBatchNorm() before, or W8A8)"
            )
        graph = drop_dropout(graph)
        reference = for_inference(graph)
        chosen = choose(reference, rules)
        known = {
            value.name: self._input(graph, value)
            for value in graph.inputs
            if isinstance(value.dtype, Float)
        }
        known |= batchnorm_moments(graph, reference, self.deviations)
        moments = propagated(reference, known, self.deviations)
        return Observations(
            {
                name: _statistics(observer, moments[name])
                for name, observer in observers(reference, chosen).items()
            },
            {
                layer: replace(mean, total=moments[_read(reference, layer)].mean, count=1)
                for layer, mean in input_means(reference, chosen).items()
            },
        )

    def _input(self, graph: Graph[FloatOp], value: Value) -> Moments:
        """Of evenly distributed numbers in the range, with the mean that was trained on."""
        low, high = self._range(value)
        linear = any(isinstance(n.op, ops.Linear) for n in graph.consumers().get(value.name, ()))
        axis = len(value.shape) - 1 if linear else 1
        ones = np.ones(value.shape[axis])
        mean = trained_mean(graph, value)
        if mean is None:
            mean = ones * (low + high) / 2
        elif mean.min() < low or mean.max() > high:
            raise CalibrationError(
                f'the input "{value.name}" had means {np.round(mean, 2).tolist()} in training,'
                f" outside of {low} .. {high}: {_TELL}"
            )
        return Moments(axis, mean, ones * (high - low) / np.sqrt(12), ones * low, ones * high)

    def _range(self, value: Value) -> tuple[float, float]:
        if self.input_range is not None:
            return self.input_range
        if len(value.shape) == 4 and value.shape[1] in (1, 3):
            return IMAGES
        raise CalibrationError(
            f'the range of the input "{value.name}" {value.shape} is not known without samples:'
            f" {_TELL}"
        )


def check_range(limits: tuple[float, float] | None) -> None:
    """Complains of what is no range of inputs.

    Raises:
        ValueError: unless the first number is below the second, and both are finite.
    """
    if limits is not None and not -np.inf < limits[0] < limits[1] < np.inf:
        raise ValueError(
            f"the range of the inputs must be two numbers, low and high, not {limits[0]} and"
            f" {limits[1]}"
        )


def batchnorm_moments(
    graph: Graph[FloatOp], folded: Graph[FloatOp], deviations: float
) -> dict[str, Moments]:
    """What BatchNorms know of values of the graph into whose layers they are folded."""
    layers = folded_into(graph, folded)
    found: dict[str, Moments] = {}
    for node in graph.nodes:
        if isinstance(node.op, ops.BatchNorm):
            mean, deviation = output_moments(node, graph.constants)
            found[layers.get(node.name, node.name)] = normal(1, mean, deviation, deviations)
    return found


def trained_mean(graph: Graph[FloatOp], value: Value) -> F64 | None:
    """The mean of each channel of an input in training, by least squares.

    From the BatchNorm behind the layer that reads it; None where there is none or it has fewer
    outputs than the input has channels.
    """
    readers = [node for node in graph.nodes if value.name in {v.name for v in node.inputs}]
    if len(readers) == 1 and isinstance(readers[0].op, ops.Pad):
        return trained_mean(graph, readers[0].output)
    layer = layer_of(graph, readers[0]) if len(readers) == 1 else None
    if layer is None or layer.norm is None or layer.outputs < layer.inputs:
        return None
    weight, *bias = (graph.constants[v.name].astype(np.float64) for v in layer.node.inputs[1:])
    columns = [through(layer.op, weight, unit) for unit in np.eye(layer.inputs)]
    seen = graph.constants[layer.norm.inputs[3].name] - sum(bias)
    return np.asarray(np.linalg.lstsq(np.stack(columns, axis=1), seen, rcond=None)[0])


def _statistics(observer: Observer, moments: Moments) -> Statistics:
    statistics = MinMax(observer.format, observer.symmetric).begin()
    statistics.update(torch.tensor(moments.range))
    return statistics


def _read(graph: Graph[FloatOp], layer: str) -> str:
    """The value that a layer reads."""
    return graph.producers()[layer].inputs[0].name
