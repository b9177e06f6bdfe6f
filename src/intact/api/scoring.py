"""How a network is judged: a number for all samples, or a score of each of them.

With scores of single samples two networks are compared on the same samples (paired), which tells
apart what unpaired numbers cannot, and a hopeless network is given up after a few of them.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from intact.api.engine import Engine
from intact.data.batch import as_array
from intact.data.function import split
from intact.ir.hashing import little_endian
from intact.metrics import paired_interval, right
from intact.numerics.arrays import F64, Array

FIRST_LOOK = 32  # samples; each further look at a network is after twice as many
Z_LOOK = 3.29  # of a look, 99.9 %: a network within the budget is given up once in 2000 looks


@dataclass(frozen=True)
class ScoredSamples:
    """Labelled samples and what an output is worth: `validate=` of `quantize`.

    `batches` are pairs (input, target) and are read once for each network that is judged, always in
    the same order. `score` is given the outputs of a batch (a tuple if the network has several) and
    its targets, and returns one number a sample; higher is better, and the mean is the metric. By
    default that is top-1: whether the largest output (N, classes) is the label's.
    """

    batches: Iterable[object]
    score: Callable[[Array, Array], Array] = right

    def __post_init__(self) -> None:
        if isinstance(self.batches, Iterator):
            raise ValueError("batches are read several times: give a list or a DataLoader")

    def scores(self, engine: Engine) -> Iterator[F64]:
        """One array a batch.

        Raises:
            ValueError: if there are no targets, or not one finite score for each sample.
        """
        for number, item in enumerate(self.batches):
            inputs, target = split(item, len(engine.inputs))
            if target is None:
                raise ValueError(f"validate: batch {number} has no target")
            outputs = engine.arrays([as_array(x) for x in inputs])
            given = outputs[0] if len(outputs) == 1 else outputs
            found = np.asarray(self.score(given, as_array(target)), np.float64)  # type: ignore[arg-type]
            samples = len(as_array(inputs[0]))
            if found.shape != (samples,) or not np.isfinite(found).all():
                raise ValueError(
                    f"validate: batch {number} of {samples} samples got scores of shape"
                    f" {found.shape}; score returns one finite number a sample"
                )
            yield found

    def sha256(self, inputs: int) -> str:
        """A hash of the samples, their targets and the score's name; `inputs` of the network."""
        digest = hashlib.sha256(getattr(self.score, "__qualname__", "").encode())
        for item in self.batches:
            parts, target = split(item, inputs)
            for part in (*parts, target):
                array = as_array(part)
                digest.update(f"{array.dtype}{array.shape}".encode())
                digest.update(little_endian(array))
        return digest.hexdigest()


Judge: TypeAlias = ScoredSamples | Callable[[Engine], float | Array]
Seen: TypeAlias = Callable[[int], None]  # is told of the samples that were scored so far


@dataclass(frozen=True, slots=True)
class Reference:
    """What the float network reached."""

    metric: float
    scores: F64 | None  # of each sample; None where there is one number for all


@dataclass(frozen=True, slots=True)
class Measured:
    """What a quantized network reached.

    If it was given up, `metric` is the float network's less the drop on the samples that were seen.
    """

    metric: float
    interval: tuple[float, float] | None  # of the drop, 95 %, paired
    samples: int | None  # that were seen
    whole: bool  # all of them were


def judge_float(judge: Judge, engine: Engine, seen: Seen) -> Reference:
    """The float network's metric.

    Raises:
        ValueError: if the metric or a score is not finite, or there is no sample.
    """
    if isinstance(judge, ScoredSamples):
        parts = list(_counted(judge, engine, seen))
        found = np.concatenate(parts) if parts else np.zeros(0)
    else:
        found = _asked(judge, engine, "float")
    if not found.size:
        raise ValueError("validate: there are no samples")
    return Reference(float(found.mean()), found if found.ndim else None)


def judge_quantized(
    judge: Judge,
    engine: Engine,
    reference: Reference,
    seen: Seen,
    *,
    max_drop: float | None,
    name: str,
) -> Measured:
    """A quantized network's metric; it is given up as soon as it is surely beyond the budget.

    Raises:
        ValueError: if it is not finite, or of other samples than the float network's.
    """
    if isinstance(judge, ScoredSamples):
        return _looked_at(
            judge, engine, reference, seen, math.inf if max_drop is None else max_drop
        )
    found = _asked(judge, engine, name)
    if found.ndim == 0 and reference.scores is None:
        return Measured(float(found), None, None, True)
    if reference.scores is None or found.shape != reference.scores.shape:
        raise ValueError(f"validate returned {found.size} scores for {name}, other than for float")
    return _measured(reference, found)


def _asked(judge: Callable[[Engine], float | Array], engine: Engine, name: str) -> F64:
    given = judge(engine)
    found = np.asarray(math.nan if given is None else given, np.float64)
    if found.ndim > 1 or not np.isfinite(found).all():
        raise ValueError(
            f"validate returned {given} for {name}; it must be a finite number, or one a sample"
        )
    return found


def _counted(judge: ScoredSamples, engine: Engine, seen: Seen) -> Iterator[F64]:
    done = 0
    for part in judge.scores(engine):
        done += len(part)
        seen(done)
        yield part


def _looked_at(
    judge: ScoredSamples, engine: Engine, reference: Reference, seen: Seen, limit: float
) -> Measured:
    assert reference.scores is not None
    parts: list[F64] = []
    done, look = 0, FIRST_LOOK
    for part in _counted(judge, engine, seen):
        parts.append(part)
        done += len(part)
        if done > len(reference.scores):
            raise ValueError("validate: there are more samples than there were for float")
        if look <= done < len(reference.scores):
            scores = np.concatenate(parts)
            if paired_interval(reference.scores[:done], scores, Z_LOOK)[0] > limit:
                return _measured(reference, scores)
            look = 2 * done
    return _measured(reference, np.concatenate(parts))


def _measured(reference: Reference, scores: F64) -> Measured:
    assert reference.scores is not None
    first = reference.scores[: len(scores)]
    low, high = paired_interval(first, scores)
    interval = (low, high) if math.isfinite(low) else None
    if len(scores) == len(reference.scores):
        return Measured(float(scores.mean()), interval, len(scores), True)
    metric = reference.metric - float((first - scores).mean())
    return Measured(metric, interval, len(scores), False)
