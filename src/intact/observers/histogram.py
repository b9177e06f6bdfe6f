"""A histogram of fixed size whose counts do not depend on the order of the data.

Bins have width w = 2**(exponent - 12), where 2**exponent is the smallest power of two above every
|x| so far, and edges at multiples of w. When a larger |x| arrives, pairs of bins become one, which
is exact: trunc(trunc(x / w) / 2) = trunc(x / 2w). So the counts depend on which numbers there are
and not on their order, and two histograms merge into what one would have counted.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from intact.numerics.arrays import F64
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.observers.memory_order import in_memory_order
from intact.observers.params import choose_params, no_samples, require_same

SIDE = 1 << 12  # bins on each side of 0
Counts: TypeAlias = NDArray[np.int64]  # (2 * SIDE - 1,)
LOWEST_EXPONENT = -100  # smaller numbers all fall into the middle bin; 2**12 / 2**-100 is a float32


def _no_counts() -> Counts:
    return np.zeros(2 * SIDE - 1, np.int64)


@dataclass(slots=True)
class Histogram:
    """Counts of trunc(x / w): the middle bin spans (-w, w), the others are w wide."""

    exponent: int = LOWEST_EXPONENT
    counts: Counts = field(default_factory=_no_counts)
    zeros: int = 0  # how many of the middle bin's numbers are exactly 0
    low: float = math.inf
    high: float = -math.inf

    def add(self, x: Tensor) -> None:
        """Counts the numbers of x, which are finite."""
        if not x.numel():
            return
        x = in_memory_order(x)
        smallest, largest = (end.item() for end in torch.aminmax(x))
        self.low, self.high = min(self.low, smallest), max(self.high, largest)
        magnitude = max(-smallest, largest)
        if magnitude > 0:
            self.coarsen(max(self.exponent, math.frexp(magnitude)[1]))
        real = x.float()
        bins = (real * (SIDE * 2.0**-self.exponent)).to(torch.int16)
        first = SIDE - 1 if smallest >= 0 else 0  # the bin to which number 0 belongs
        if not first:
            bins += SIDE - 1
        counted = torch.bincount(bins.flatten(), minlength=self.counts.size - first)
        self.counts[first:] += counted.numpy()
        # Twenty times faster than torch.count_nonzero of numbers.
        self.zeros += int(np.count_nonzero(real.numpy() == 0))

    def coarsen(self, exponent: int) -> None:
        """Widens the bins to those of a larger exponent."""
        if exponent == self.exponent:
            return
        index = np.arange(1 - SIDE, SIDE)
        shift = min(exponent - self.exponent, 31)
        counts = _no_counts()
        np.add.at(counts, np.sign(index) * (np.abs(index) >> shift) + SIDE - 1, self.counts)
        self.exponent, self.counts = exponent, counts

    def merge(self, other: "Histogram") -> "Histogram":
        """The histogram of both sets of numbers."""
        exponent = max(self.exponent, other.exponent)
        parts = [Histogram(part.exponent, part.counts) for part in (self, other)]
        for part in parts:
            part.coarsen(exponent)
        return Histogram(
            exponent,
            parts[0].counts + parts[1].counts,
            self.zeros + other.zeros,
            min(self.low, other.low),
            max(self.high, other.high),
        )

    @property
    def total(self) -> int:
        """How many numbers were counted."""
        return int(self.counts.sum())

    @property
    def nonzeros(self) -> Counts:
        """The counts without numbers that are exactly 0, which every grid represents."""
        counts = self.counts.copy()
        counts[SIDE - 1] -= self.zeros
        return counts

    @property
    def width(self) -> float:
        """Width w of a bin."""
        return 2.0**self.exponent / SIDE

    @property
    def edges(self) -> tuple[F64, F64]:
        """(lower, upper) edge of each bin."""
        below, above = _unit_edges()
        return below * self.width, above * self.width


@lru_cache
def _unit_edges() -> tuple[F64, F64]:
    index = np.arange(1 - SIDE, SIDE).astype(np.float64)
    return np.where(index <= 0, index - 1, index), np.where(index >= 0, index + 1, index)


class HistogramObserver(Protocol):
    """An observer that finds its range in a histogram."""

    @property
    def format(self) -> Int:
        """The grid of the codes."""

    @property
    def symmetric(self) -> bool:
        """Whether the zero point is 0."""

    def clip(self, histogram: Histogram) -> tuple[float, float]:
        """The range (low, high), with numbers outside of it saturating."""


@dataclass(slots=True)
class HistogramStatistics:
    """The histogram of one activation."""

    observer: HistogramObserver
    histogram: Histogram = field(default_factory=Histogram)

    def update(self, x: Tensor) -> None:
        """Counts the numbers of x."""
        self.histogram.add(x)

    def merge(self, other: "HistogramStatistics") -> "HistogramStatistics":
        """The statistics of both."""
        require_same(self.observer, other.observer)
        return HistogramStatistics(self.observer, self.histogram.merge(other.histogram))

    @property
    def seen(self) -> tuple[float, float]:
        """Smallest and largest number of all samples."""
        return self.histogram.low, self.histogram.high

    def params(self) -> QuantParams:
        """Parameters that cover the range which the observer finds."""
        if not self.histogram.total:
            raise no_samples()
        low, high = self.observer.clip(self.histogram)
        return choose_params(low, high, self.observer.format, self.observer.symmetric)
