"""Batches as samples, for runtimes whose files hold a batch of one."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from intact.exec.runner import Runner
from intact.ir.graph import Value, sample_slices
from intact.numerics.arrays import Array

Arrays: TypeAlias = Mapping[str, Array]
SampleRunner: TypeAlias = Callable[[Sequence[Arrays]], Sequence[Arrays]]


def each(run: Runner) -> SampleRunner:
    """Runs the samples one after another."""
    return lambda samples: [run(sample) for sample in samples]


def by_samples(run: SampleRunner, inputs: Sequence[Value], outputs: Sequence[Value]) -> Runner:
    """`run`, which takes and gives single samples, on a batch of any size.

    Values of which no axis depends on the batch size go with every sample.
    """

    def batched(arrays: Arrays) -> dict[str, Array]:
        counts = [
            arrays[v.name].shape[axis] // -v.shape[axis]
            for v in inputs
            if (axis := _batch_axis(v)) is not None
        ]
        made = run(
            [
                {value.name: _sample(arrays[value.name], value, i) for value in inputs}
                for i in range(min(counts, default=1))
            ]
        )
        return {value.name: _joined([one[value.name] for one in made], value) for value in outputs}

    return batched


def _batch_axis(value: Value) -> int | None:
    return next((axis for axis, size in enumerate(value.shape) if size < 0), None)


def _joined(arrays: Sequence[Array], value: Value) -> Array:
    axis = _batch_axis(value)
    return arrays[0] if axis is None else np.concatenate(arrays, axis)


def _sample(array: Array, value: Value, index: int) -> Array:
    return np.ascontiguousarray(array[sample_slices(value.shape, index)])
