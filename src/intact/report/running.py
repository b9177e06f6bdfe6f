"""Runs the samples: how accurate the networks are, and what the float values look like."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from intact.api.engine import Engine
from intact.data.batch import Batch, as_array, labels
from intact.data.function import item_inputs, split
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Value
from intact.metrics import Comparison, Top1, compare, top1
from intact.numerics.arrays import Array
from intact.ptq import Progress
from intact.report.tensors import Counted

if TYPE_CHECKING:
    from torch import Tensor


def batches_of(samples: Iterable[object], declared: Sequence[Value]) -> Iterator[Batch]:
    """Items as `quantize` takes them; targets that are no class labels are not looked at."""
    for number, item in enumerate(samples):
        where = f"batch {number}"
        inputs = item_inputs(item, declared, where)
        target = split(item, len(declared))[1]
        array = None if target is None else as_array(target)
        classes = (
            array is not None and array.dtype.kind in "biu" and array.shape == inputs[0].shape[:1]
        )
        yield Batch(inputs, labels(array, where) if array is not None and classes else None)


@dataclass(frozen=True, slots=True)
class Judged:
    """How right a network is on labelled samples, and how close to the float network."""

    samples: int = 0
    own: Top1 | None = None  # None: no labels, or no classifier
    original: Top1 | None = None
    comparison: Comparison | None = None  # None: nothing to compare with
    classifies: bool = True

    def __add__(self, other: "Judged") -> "Judged":
        """Of both sets of samples; the empty one adds nothing."""
        if not self.samples:
            return other
        return Judged(
            self.samples + other.samples,
            _sum(self.own, other.own),
            _sum(self.original, other.original),
            None
            if self.comparison is None or other.comparison is None
            else self.comparison + other.comparison,
            self.classifies and other.classifies,
        )


def _sum(a: Top1 | None, b: Top1 | None) -> Top1 | None:
    return None if a is None or b is None else a + b


def judge(outputs: Array, original: Array | None, targets: Array | None) -> Judged:
    """The tally of one batch of first outputs."""
    if outputs.ndim != 2:
        return Judged(len(outputs), None, None, _noise(outputs, original), classifies=False)
    return Judged(
        len(outputs),
        None if targets is None else top1(outputs, targets),
        None if targets is None or original is None else top1(original, targets),
        None if original is None else compare(outputs, original, targets),
    )


def _noise(outputs: Array, original: Array | None) -> Comparison | None:
    if original is None:
        return None
    wide = original.astype(np.float64)
    signal, noise = float((wide**2).sum()), float(((outputs - wide) ** 2).sum())
    return Comparison(len(outputs), signal=signal, noise=noise)


def judge_all(
    engines: Sequence[Engine], original: Engine | None, batches: Iterable[Batch], progress: Progress
) -> list[Judged]:
    """The tally of each engine over all batches."""
    tallies = [Judged() for _ in engines]
    for batch in batches:
        reference = None if original is None else original.arrays(batch.inputs)[0]
        for number, engine in enumerate(engines):
            outputs = engine.arrays(batch.inputs)[0]
            tallies[number] += judge(outputs, reference, batch.targets)
        progress("evaluating", tallies[0].samples)
    return tallies


def tensors(batches: Iterable[Batch]) -> "Iterator[tuple[Tensor, ...]]":
    """The inputs, for torch."""
    import torch

    return (tuple(torch.tensor(array) for array in batch.inputs) for batch in batches)


def count_values(
    graph: Graph[FloatOp], names: set[str], batches: Sequence[Batch], progress: Progress
) -> Mapping[str, Counted]:
    """Histograms of the graph's float values of these names."""
    import torch

    from intact.capture.module import from_graph
    from intact.observers.histogram import Histogram
    from intact.ptq.samples import streamed

    found = {v.name: Histogram() for v in graph.values() if v.name in names}

    def watch(name: str, x: torch.Tensor) -> None:
        if name in found:
            found[name].add(x)

    module = from_graph(graph).eval()
    seen = 0
    with torch.no_grad():
        for inputs, samples in streamed(graph, tensors(batches)):
            module.run(inputs, watch)
            seen += samples
            progress("histograms", seen)
    return {
        name: Counted(histogram.counts, *histogram.edges, histogram.low, histogram.high)
        for name, histogram in found.items()
        if histogram.total
    }
