"""Batches as samples, for runtimes whose files hold a batch of one."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from intact.exec.runner import Runner
from intact.ir.graph import Value
from intact.numerics.arrays import Array

Arrays: TypeAlias = Mapping[str, Array]
SampleRunner: TypeAlias = Callable[[Sequence[Arrays]], Sequence[Arrays]]


def each(run: Runner) -> SampleRunner:
    """Runs the samples one after another."""
    return lambda samples: [run(sample) for sample in samples]


def by_samples(run: SampleRunner, inputs: Sequence[Value], outputs: Sequence[Value]) -> Runner:
    """`run`, which takes and gives single samples, on a batch of any size.

    Values whose first axis does not depend on the batch size go with every sample.
    """

    def batched(arrays: Arrays) -> dict[str, Array]:
        counts = [len(arrays[v.name]) // -v.shape[0] for v in inputs if _has_batch(v)]
        made = run(
            [
                {value.name: _sample(arrays[value.name], value, i) for value in inputs}
                for i in range(min(counts, default=1))
            ]
        )
        return {
            value.name: np.concatenate([one[value.name] for one in made])
            if _has_batch(value)
            else made[0][value.name]
            for value in outputs
        }

    return batched


def _has_batch(value: Value) -> bool:
    return bool(value.shape) and value.shape[0] < 0


def _sample(array: Array, value: Value, index: int) -> Array:
    if not _has_batch(value):
        return array
    rows = -value.shape[0]
    return array[index * rows : (index + 1) * rows]
