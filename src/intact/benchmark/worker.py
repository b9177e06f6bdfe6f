"""A process that loads one contestant and times it when it is its turn.

Threads of several runtimes in one process would disturb each other: some spin while they wait.
Between turns the process sleeps in a read.
"""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from intact.benchmark.peers import Batch, Call, Peer

WARM_UP_SECONDS = 0.3
_STOP_SECONDS = 5.0
_MAIN = "from intact.benchmark.worker import serve; serve()"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A runtime with a file, and variables of the environment in which it is started.

    `layers`, where its integers can be checked layer by layer, holds the layers of the same network
    beside each other (`layerwise`). With `exact` the outputs must be the reference's, bit for bit.
    """

    label: str
    peer: Peer
    model: Path
    layers: Path | None = None
    exact: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A contestant that is ready."""

    version: str
    outputs: Batch  # of the batch that is timed
    load_seconds: float  # to load and to call once
    call_seconds: float  # of the fastest call of the warm-up
    peak_bytes: int | None  # by which memory grew on loading and calling; None if not known


class ContestantError(Exception):
    """A contestant cannot run; the message is the runtime's."""


class Worker:
    """The parent's end."""

    def __init__(self, contestant: Contestant, batch: Batch, threads: int) -> None:
        """Starts the process, which begins to load."""
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths, **contestant.environment},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to: BinaryIO = self._process.stdin  # type: ignore[assignment]  # IO[bytes]
        self._from: BinaryIO = self._process.stdout  # type: ignore[assignment]
        self._send((contestant, batch, threads))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        for pipe in (self._to, self._from):
            with suppress(BrokenPipeError):  # it has ended by itself
                pipe.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def loaded(self) -> Loaded:
        """Waits until the contestant is warm.

        Raises:
            ContestantError: if it cannot be loaded or called.
        """
        answer = self._receive()
        assert isinstance(answer, Loaded)
        return answer

    def turn(self, calls: int) -> list[float]:
        """Seconds of each of so many calls in a row.

        Raises:
            ContestantError: if one fails.
        """
        self._send(calls)
        answer = self._receive()
        assert isinstance(answer, list)
        return answer

    def _send(self, message: object) -> None:
        with suppress(BrokenPipeError):  # reading says why
            _write(self._to, message)

    def _receive(self) -> object:
        try:
            answer = pickle.load(self._from)
        except EOFError:
            code = self._process.wait()
            raise ContestantError(f"its process ended with exit code {code}") from None
        if isinstance(answer, str):
            raise ContestantError(answer)
        return answer


def _write(pipe: BinaryIO, message: object) -> None:
    pickle.dump(message, pipe)
    pipe.flush()


def serve() -> None:
    """The child's end: answers with `Loaded`, then with seconds; with a message if it fails."""
    requests = sys.stdin.buffer
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what runtimes print is no answer
        try:
            contestant, batch, threads = pickle.load(requests)
            call, loaded = _load(contestant, batch, threads)
            _write(answers, loaded)
            while True:
                _write(answers, timed(call, pickle.load(requests)))
        except (EOFError, BrokenPipeError):  # the parent is done
            pass
        except Exception as error:  # runtimes raise whatever they like
            _write(answers, f"{type(error).__name__}: {error}")


def _load(contestant: Contestant, batch: Batch, threads: int) -> tuple[Call, Loaded]:
    version = contestant.peer.version
    before = _peak_bytes()
    start = time.perf_counter()
    call = contestant.peer.load(contestant.model, batch, threads)
    outputs = tuple(array.copy() for array in call())
    seconds = time.perf_counter() - start
    fastest = _warm_up(call)
    after = _peak_bytes()
    peak = None if before is None or after is None else after - before
    return call, Loaded(version, outputs, seconds, fastest, peak)


def _warm_up(call: Call) -> float:
    """Seconds of the fastest call."""
    end = time.perf_counter() + WARM_UP_SECONDS
    seconds = timed(call, 3)
    while time.perf_counter() < end:
        seconds += timed(call, 1)
    return min(seconds)


def timed(call: Call, calls: int) -> list[float]:
    """Seconds of each of so many calls in a row."""
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def _peak_bytes() -> int | None:
    """The most memory that this process has held; Linux only."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
