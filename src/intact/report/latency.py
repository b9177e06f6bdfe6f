"""How long a call takes, in integers and in float."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from intact.api.network import QuantizedNetwork
from intact.benchmark.contest import contest
from intact.benchmark.measure import random_batch
from intact.benchmark.peers import Batch, Call, Native
from intact.benchmark.profile import profile
from intact.benchmark.worker import Contestant
from intact.errors import UnsupportedOpError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.int_ops import Program
from intact.report.contents import Latency

_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Torch:
    """The float network in torch; the worker's file is not read."""

    graph: Graph[FloatOp]
    name: str = "torch"

    @property
    def version(self) -> str:
        """Of torch."""
        return version("torch")

    def load(self, model: Path, batch: Batch, threads: int) -> Call:  # noqa: ARG002
        """The captured network in inference mode."""
        import torch

        from intact.api.float_engine import float_engine

        torch.set_num_threads(threads)
        engine = float_engine(self.graph)
        return lambda: engine.arrays(batch)


def time_network(
    program: Program, graph: Graph[FloatOp] | None, threads: int
) -> tuple[Latency, Mapping[str, float]]:
    """Medians of calls with one sample, and the seconds of each operation by name.

    Both take turns, each in a process of its own (`contest`).

    Raises:
        UnsupportedOpError: if the native engine or torch cannot run the network.
    """
    batch = random_batch(program, 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.intact"
        QuantizedNetwork(program).save(path)
        entrants = [Contestant("intact", Native(), path)]
        if graph is not None:
            entrants.append(Contestant("torch", Torch(graph), path))
        entries = contest(entrants, batch, threads=threads, rounds=_ROUNDS)
    for entry in entries:
        if not entry.seconds:
            raise UnsupportedOpError(f"{entry.contestant.label} cannot be timed: {entry.failure}")
    float_seconds = entries[1].median if graph is not None else None
    times = {step.name: step.seconds for step in profile(program, batch, threads)}
    return Latency(threads, 1, entries[0].median, float_seconds), times
