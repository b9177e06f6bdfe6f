"""--calibration distilled: samples made of what the network's BatchNorms remember."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from intact.cli.output import progress
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph

if TYPE_CHECKING:
    from torch import Tensor

KEYWORD = "distilled"
DEFAULT = 32  # samples


@dataclass(frozen=True, slots=True)
class Distilled:
    """Made samples, in batches."""

    batches: "tuple[tuple[Tensor, ...], ...]"
    count: int

    def __iter__(self) -> "Iterator[tuple[Tensor, ...]]":
        """The inputs of each batch."""
        return iter(self.batches)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which samples to make."""

    count: int
    input_range: tuple[float, float] | None


def wanted(
    calibration: str | None, input_range: tuple[float, float] | None = None
) -> Wanted | None:
    """What `distilled` or `distilled:N` asks for; None for any other DATA."""
    keyword, colon, number = (calibration or "").partition(":")
    if keyword != KEYWORD:
        return None
    if not colon:
        return Wanted(DEFAULT, input_range)
    if not number.isdecimal() or not int(number):
        raise click.UsageError(f"--calibration {calibration}: write distilled or distilled:32")
    return Wanted(int(number), input_range)


def distill(graph: Graph[FloatOp], samples: Wanted, seed: int) -> Distilled:
    """The samples, with progress."""
    from intact.ptq import Distillation

    with progress() as show:
        method = Distillation(samples=samples.count, seed=seed, input_range=samples.input_range)
        made = method(graph, show)
    return Distilled(tuple(made), samples.count)
