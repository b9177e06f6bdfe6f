"""Times and correctness of a network in several runtimes, on one batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from intact.benchmark.check import Agreement, Checker
from intact.benchmark.contest import Entry, contest
from intact.benchmark.peers import Batch
from intact.benchmark.worker import Contestant
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Value, with_batch
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.numerics.formats import Float


@dataclass(frozen=True, slots=True)
class Measured:
    """A contestant's times, and how its numbers compare; None if it did not run."""

    entry: Entry
    agreement: Agreement | None

    @property
    def name(self) -> str:
        """The contestant's label."""
        return self.entry.contestant.label

    @property
    def is_wrong(self) -> bool:
        """Whether it computes other integers than the network's."""
        return self.agreement is not None and self.agreement.right is False


def measure(
    program: Program, contestants: Sequence[Contestant], batch: Batch, *, threads: int, rounds: int
) -> tuple[Measured, ...]:
    """Times all contestants (`contest`), then compares their numbers with the reference's."""
    entries = contest(contestants, batch, threads=threads, rounds=rounds)
    checker = Checker(program, batch)
    return tuple(
        Measured(
            entry,
            None
            if entry.loaded is None
            else checker.agreement(entry.contestant, entry.loaded, threads),
        )
        for entry in entries
    )


def random_batch(program: Program, size: int) -> Batch:
    """Standard normal numbers; indices that every table of the network has.

    Raises:
        ValueError: if the network takes batches of another size only.
    """
    tables = [
        node.inputs[1].shape[0]
        for node in program.nodes
        if isinstance(node.op, ops.Embedding | int_ops.QEmbedding)
    ]
    generator = np.random.default_rng(0)
    return tuple(_drawn(value, size, min(tables, default=1), generator) for value in program.inputs)


def _drawn(value: Value, size: int, rows: int, generator: np.random.Generator) -> Array:
    shape = with_batch(value.shape, size)
    if 0 < value.shape[0] != size:
        raise ValueError(
            f'input "{value.name}" takes batches of {value.shape[0]}, not of {size}: choose that'
        )
    if isinstance(value.dtype, Float):
        return generator.standard_normal(shape).astype(value.dtype.storage)
    return generator.integers(0, rows, shape).astype(value.dtype.storage)
