"""Contestants that take turns: noise of the machine hits all of them alike."""

import math
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from intact.benchmark.peers import Batch
from intact.benchmark.worker import Contestant, ContestantError, Loaded, Worker

TURN_SECONDS = 0.1  # of calls in a row, at least one
PAUSE_SECONDS = 0.01  # until the threads of the last one sleep
_MOST_CALLS = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant and the seconds of its calls, or why there are none."""

    contestant: Contestant
    loaded: Loaded | None
    seconds: tuple[float, ...]
    failure: str | None = None

    @property
    def median(self) -> float:
        """Seconds; infinite if it failed."""
        return statistics.median(self.seconds) if self.seconds else math.inf

    @property
    def minimum(self) -> float:
        """Seconds; infinite if it failed."""
        return min(self.seconds, default=math.inf)


def contest(
    contestants: Sequence[Contestant], batch: Batch, *, threads: int, rounds: int
) -> tuple[Entry, ...]:
    """Times each contestant on the same batch.

    All are loaded and warm before the first round; in each round each one makes as many calls in a
    row as fit `TURN_SECONDS`. One that fails does not take part, and says why.
    """
    with ExitStack() as stack:
        runners = [_Runner(contestant) for contestant in contestants]
        for runner in runners:  # one after the other: loading uses all cores
            runner.load(stack, batch, threads)
        for _ in range(rounds):
            for runner in runners:
                runner.turn()
        return tuple(runner.entry() for runner in runners)


class _Runner:
    """A contestant in the course of a contest."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.seconds: list[float] = []
        self.loaded: Loaded | None = None
        self.worker: Worker | None = None
        self.failure: str | None = None

    def load(self, stack: ExitStack, batch: Batch, threads: int) -> None:
        worker = stack.enter_context(Worker(self.contestant, batch, threads))
        try:
            self.loaded = worker.loaded()
            self.worker = worker
        except ContestantError as error:
            self.failure = str(error)

    def turn(self) -> None:
        if self.worker is None or self.loaded is None:
            return
        calls = math.ceil(TURN_SECONDS / max(self.loaded.call_seconds, 1e-9))
        time.sleep(PAUSE_SECONDS)
        try:
            self.seconds += self.worker.turn(min(calls, _MOST_CALLS))
        except ContestantError as error:
            self.worker, self.failure = None, str(error)

    def entry(self) -> Entry:
        return Entry(self.contestant, self.loaded, tuple(self.seconds), self.failure)
