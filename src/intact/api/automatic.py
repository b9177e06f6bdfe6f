"""Automatic mode: cures are tried from the cheapest up until the drop is within the budget.

The order is `diagnosis.treatment`'s. Each candidate is quantized, run in integers and judged beside
the float network on the same samples; the first within the budget is kept, and the best if none
is. What was found is written to a journal, from which the same search goes on after it was killed,
without judging a network again.

Time: a candidate is not begun if what the last one took does not fit any more, and is abandoned
where its progress is told after the limit. The first is always finished, as there must be a result.
"""

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import torch

from intact.api.build import Built
from intact.api.engine import DEFAULT, Engine
from intact.api.engine import compile as compile_engine
from intact.api.float_engine import float_engine
from intact.api.journal import Journal
from intact.api.network import Attempt, QuantizedNetwork, Validation, load, within
from intact.api.records import attempt_of, entry_of, file_sha256, search_key
from intact.api.scoring import Judge, Reference, ScoredSamples, judge_float, judge_quantized
from intact.diagnosis.blame import Blame
from intact.diagnosis.cures import CURES, Cure
from intact.diagnosis.treatment import Candidate, treatment
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.inference import for_inference
from intact.ptq import Progress

Clock: TypeAlias = Callable[[], float]  # seconds


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is searched, and how; without `max_drop` the first recipe only is tried."""

    graph: Graph[FloatOp]
    start: Candidate
    judge: Judge
    build: Callable[[Candidate, Progress], Built]
    diagnose: Callable[[Built, Progress], Sequence[Blame]]
    identify: Callable[[Candidate], str]  # a key that another recipe does not have
    max_drop: float | None = None
    time_limit: float | None = None  # seconds
    cures: Sequence[Cure] = CURES
    clock: Clock = time.monotonic
    progress: Progress


def search(settings: Search, journal: Path | None, key: Callable[[], str]) -> QuantizedNetwork:
    """The first network within the budget, or the best.

    Args:
        settings: What is searched, and how.
        journal: The file to go on with, or to begin; deleted when the search is complete.
        key: What the journal must be of; asked only if there is one.

    Raises:
        ValueError: if the judge gives what is no metric.
        OSError: if the journal cannot be written.
    """
    return _Run(settings, journal, key).finished()


class _OutOfTime(Exception):  # noqa: N818  # no error: it ends a search
    """The time limit has passed while something was worked on."""


class _Run:
    """A search under way."""

    def __init__(self, search: Search, journal: Path | None, key: Callable[[], str]) -> None:
        self.search = search
        self.began = search.clock()
        self.before = 0.0  # seconds that earlier processes took for what is in the journal
        self.attempts: list[Attempt] = []
        self.candidates: list[Candidate] = []
        self.kept = 0  # the best attempt
        self.built: Built | None = None  # the best attempt's network, unless it is of the journal
        self.estimate = 0.0  # seconds that a candidate takes
        self.out_of_time = False
        known = None if isinstance(search.judge, ScoredSamples) else self._judge_float()
        self.journal = Journal(journal, "" if journal is None else search_key(key(), known))
        self.reference = known or self._recorded_float()

    # --- time -------------------------------------------------------------------------------

    @property
    def elapsed(self) -> float:
        return self.search.clock() - self.began + self.before

    def progress(self, what: str, done: int, total: int | None = None, /) -> None:
        """Passes on; ends what is worked on when the time is over, except for the first recipe."""
        self.search.progress(what, done, total)
        limit = self.search.time_limit
        if limit is not None and self.attempts and self.elapsed > limit:
            raise _OutOfTime

    # --- the float network ------------------------------------------------------------------

    def _judge_float(self) -> Reference:
        def seen(samples: int) -> None:
            self.search.progress("validating float", samples, None)

        seen(0)
        return judge_float(self.search.judge, float_engine(self.search.graph), seen)

    def _recorded_float(self) -> Reference:
        entry = self.journal.get("float")
        if isinstance(entry, dict):
            self.before += cast("float", entry["seconds"])
            return Reference(
                cast("float", entry["metric"]), np.asarray(entry["scores"], np.float64)
            )
        began = self.search.clock()
        found = self._judge_float()
        assert found.scores is not None
        seconds = self.search.clock() - began
        self.journal.put(
            "float",
            {"metric": found.metric, "scores": found.scores.tolist(), "seconds": seconds},
        )
        return found

    # --- the search -------------------------------------------------------------------------

    def finished(self) -> QuantizedNetwork:
        """Searches, and gives the best."""
        search = self.search
        steps = treatment(search.start, for_inference(search.graph), search.cures, self._diagnose)
        try:
            self._drive(steps)
        except _OutOfTime:
            self.out_of_time = True
        network = self._whole(self._network())
        best = self.attempts[self.kept]
        if self.journal.network is not None:
            network.save(self.journal.network)
            if not self.out_of_time:
                self.journal.remove()
        validation = Validation(
            self.reference.metric,
            best.metric,
            search.max_drop,
            tuple(self.attempts),
            self.kept,
            self.out_of_time,
        )
        return replace(network, validation=validation)

    def _drive(self, steps: Generator[Candidate, float, None]) -> None:
        candidate = next(steps)
        while True:
            metric = self._try(candidate)
            limit = self.search.max_drop
            if limit is None or within(self.reference.metric - metric, limit):
                return
            try:
                candidate = steps.send(metric)
            except StopIteration:
                return

    def _try(self, candidate: Candidate) -> float:
        """The candidate's metric, from the journal or by work; -inf without time for it."""
        entry = self.journal.get(self.search.identify(candidate))
        if isinstance(entry, dict):
            attempt = attempt_of(candidate, entry)
            self.before += attempt.seconds
            self._note(candidate, attempt, None)
            return attempt.metric
        limit = self.search.time_limit
        if limit is not None and self.attempts and self.elapsed + self.estimate > limit:
            self.out_of_time = True
            return -math.inf
        began = self.search.clock()
        built = self.search.build(candidate, self.progress)
        middle = self.search.clock()
        attempt = self._judged(
            candidate, built.network, self.progress, max_drop=self.search.max_drop
        )
        judging = self.search.clock() - middle
        if not attempt.whole and self.reference.scores is not None:
            judging *= len(self.reference.scores) / (attempt.samples or 1)
        self.estimate = middle - began + judging
        attempt = replace(attempt, seconds=self.search.clock() - began)
        self._note(candidate, attempt, built)
        self.journal.put(
            self.search.identify(candidate), entry_of(attempt, built.network, self._saved())
        )
        return attempt.metric

    def _judged(
        self,
        candidate: Candidate,
        network: QuantizedNetwork,
        progress: Progress,
        max_drop: float | None,
    ) -> Attempt:
        def seen(samples: int) -> None:
            progress(f"validating {candidate.name}", samples, total)

        total = None if self.reference.scores is None else len(self.reference.scores)
        seen(0)
        with _engine(network) as engine:
            found = judge_quantized(
                self.search.judge,
                engine,
                self.reference,
                seen,
                max_drop=max_drop,
                name=candidate.name,
            )
        return Attempt(
            candidate.name,
            found.metric,
            network.bytes,
            candidate.words,
            found.interval,
            found.samples,
            found.whole,
        )

    def _note(self, candidate: Candidate, attempt: Attempt, built: Built | None) -> None:
        """Adds an attempt; the best one's network is kept, and saved."""
        self.attempts.append(attempt)
        self.candidates.append(candidate)
        if len(self.attempts) == 1 or attempt.metric > self.attempts[self.kept].metric:
            self.kept, self.built = len(self.attempts) - 1, built
            if built is not None and self.journal.network is not None:
                built.network.save(self.journal.network)

    def _saved(self) -> Path | None:
        """The file of the last attempt's network, if that is the best."""
        return self.journal.network if self.kept == len(self.attempts) - 1 else None

    def _diagnose(self, candidate: Candidate) -> Sequence[Blame]:
        """The layers at fault in the best candidate so far."""
        key = f"blame {self.search.identify(candidate)}"
        entry = self.journal.get(key)
        if isinstance(entry, list):
            return [Blame(*cast("tuple[str, float, float]", item)) for item in entry]
        if self.built is None:
            self.built = self.search.build(candidate, self.progress)
        found = self.search.diagnose(self.built, self.progress)
        self.journal.put(key, [[item.layer, item.share, item.weight] for item in found])
        return found

    # --- the result -------------------------------------------------------------------------

    def _network(self) -> QuantizedNetwork:
        """The best attempt's network: at hand, on the disk, or built once more."""
        if self.built is not None:
            return self.built.network
        candidate, path = self.candidates[self.kept], self.journal.network
        entry = self.journal.get(self.search.identify(candidate))
        assert isinstance(entry, dict)
        if path is not None and path.is_file() and file_sha256(path) == entry["file"]:
            reasons = cast("dict[str, str]", entry["stays_float"])
            return replace(load(path), stays_float=reasons)
        return self.search.build(candidate, self.search.progress).network

    def _whole(self, network: QuantizedNetwork) -> QuantizedNetwork:
        """The same; if it was given up in between, it is judged on all samples now."""
        best, candidate = self.attempts[self.kept], self.candidates[self.kept]
        if not best.whole:
            found = self._judged(candidate, network, self.search.progress, max_drop=None)
            self.attempts[self.kept] = replace(found, seconds=best.seconds)
        return network


def _engine(network: QuantizedNetwork) -> Engine:
    """With as many threads as torch uses; they do not change the integers."""
    threads = torch.get_num_threads() if DEFAULT == "native" else 1
    return compile_engine(network, threads=threads)
