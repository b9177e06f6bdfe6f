"""Streams calibration data through the network and observes its values."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from intact.capture.aten_linear import MASKED
from intact.capture.module import from_graph
from intact.errors import CalibrationError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Value
from intact.ir.scans import every_node, flattened
from intact.model import Dynamic
from intact.observers import Observer, Statistics, in_memory_order
from intact.passes.inference import for_inference
from intact.passes.placement import Observed, placement
from intact.ptq.bias_correction import InputMean, input_means
from intact.ptq.protocol import Batch, Progress, PtqRule, silent
from intact.ptq.samples import by_sample, streamed
from intact.rules import select

MASK_MARGIN = 32.0  # exp(-32) is far below any code of a softmax


@dataclass(frozen=True, slots=True)
class Observations:
    """What calibration saw."""

    statistics: Mapping[str, Statistics]  # by value name
    means: Mapping[str, InputMean]  # of the input of each layer to be corrected, by its name


def observe(
    graph: Graph[FloatOp],
    rules: Sequence[PtqRule],
    batches: Iterable[Batch],
    progress: Progress = silent,
) -> Observations:
    """Statistics of every value whose rule has an observer, and the means that biases need.

    The statistics depend on the samples and not on how they are cut into batches; memory does not
    grow with their number. Without any observer the batches are not read.

    Args:
        graph: The captured network.
        rules: Which value gets which observer.
        batches: Tensors in the order of the graph's inputs, one tensor or a tuple a batch.
        progress: Told of "calibrating" and the number of samples seen so far.

    Raises:
        ValueError: if a rule matches nothing.
        CalibrationError: if there is no sample, one does not fit the inputs, or a value is not
            finite.
    """
    graph = for_inference(graph)
    chosen = choose(graph, rules)
    statistics = {name: observer.begin() for name, observer in observers(graph, chosen).items()}
    watch = _Watch(graph, statistics, input_means(graph, chosen))
    if not statistics and not watch.means:
        return Observations({}, {})
    module = from_graph(graph).eval()
    with torch.no_grad():
        for inputs, samples in streamed(graph, batches):
            watch.samples = samples
            module.run(inputs, watch)
            watch.seen += samples
            progress("calibrating", watch.seen)
    if not watch.seen:
        raise CalibrationError("there are no calibration samples; give at least one batch")
    return Observations(statistics, watch.means)


def merge(a: Observations, b: Observations) -> Observations:
    """What was observed of a's samples followed by b's, as if `observe` had seen both.

    Raises:
        ValueError: if they come from different graphs or rules.
    """
    different = (a.statistics.keys() ^ b.statistics.keys()) | (a.means.keys() ^ b.means.keys())
    if different:
        raise ValueError(f"only one of the two has statistics of {sorted(different)}")
    return Observations(
        {name: statistics.merge(b.statistics[name]) for name, statistics in a.statistics.items()},
        {name: mean.merge(b.means[name]) for name, mean in a.means.items()},
    )


def choose(graph: Graph[FloatOp], rules: Sequence[PtqRule]) -> dict[str, PtqRule]:
    """The rule of each node and graph input of an inference graph, by name."""
    return select(rules, [v.name for v in graph.inputs] + [node.name for node in every_node(graph)])


def observers(graph: Graph[FloatOp], chosen: Mapping[str, PtqRule]) -> dict[str, Observer]:
    """The observer of each value that is observed, by its name."""
    found: dict[str, Observer] = {}
    for name, place in placement(graph).items():
        rule = chosen.get(name)  # a constant has none
        if rule is None or not isinstance(place, Observed):
            continue
        if rule.activation is not None and not isinstance(rule.activation, Dynamic):
            found[name] = rule.activation
    return found


def _without_masks(x: Tensor, low: float) -> Tensor:
    """Raises what an attention mask pushed down to where softmax just still makes it zero.

    Otherwise the mask's -1e4 would leave all true scores with one or two codes.
    """
    return x if low >= MASKED / 2 else x.masked_fill(x < MASKED / 2, -MASK_MARGIN)


class _Watch:
    """Hands each computed value to its statistics."""

    def __init__(
        self,
        graph: Graph[FloatOp],
        statistics: Mapping[str, Statistics],
        means: Mapping[str, InputMean],
    ) -> None:
        self._values: dict[str, Value] = {value.name: value for value in flattened(graph).values()}
        self._statistics = statistics
        self.means = dict(means)
        self._measured: dict[str, list[str]] = {}  # layers to be corrected, by their input
        for node in graph.nodes:
            if node.name in means:
                self._measured.setdefault(node.inputs[0].name, []).append(node.name)
        self.samples = 0  # in this piece
        self.seen = 0  # before it

    def __call__(self, name: str, x: Tensor) -> None:
        statistics = self._statistics.get(name)
        layers = self._measured.get(name, ())
        if statistics is None and not layers:
            return
        rows = by_sample(x, self._values[name].shape, self.samples)
        # One pass over the numbers tells whether there is anything else to do with them.
        ends = torch.aminmax(in_memory_order(rows)) if rows.numel() else torch.zeros(2)
        low, high = (end.item() for end in ends)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise self._not_finite(name, rows)
        if statistics is not None:
            statistics.update(_without_masks(rows, low))
        for layer in layers:
            self.means[layer] = self.means[layer].updated(x)

    def _not_finite(self, name: str, x: Tensor) -> CalibrationError:
        bad = ~torch.isfinite(x).reshape(self.samples, -1).all(dim=1)
        sample = self.seen + int(bad.int().argmax())
        return CalibrationError(
            f'"{name}" is not finite at calibration sample {sample} (counted from 0). Look at'
            " that sample and its preprocessing, or keep the value float with"
            f' Rule(match="{name}")'
        )
