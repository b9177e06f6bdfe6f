"""Percentile: cuts off the rarest large numbers (Wu et al. 2020, section 4.2)."""

import math
from dataclasses import dataclass

import numpy as np

from intact.numerics.arrays import F64
from intact.numerics.formats import Int
from intact.observers.histogram import SIDE, Counts, Histogram, HistogramStatistics
from intact.observers.params import check_settings


@dataclass(frozen=True, slots=True)
class Percentile:
    """Range from the (100 - q)-th to the q-th percentile; symmetric: the q-th of |x|.

    Ends are rounded outwards to the edge of a histogram's bin, max|x| / 2048 at most. q = 100 is
    `MinMax`.
    """

    format: Int
    symmetric: bool = False
    q: float = 99.99

    def __post_init__(self) -> None:
        check_settings(self.format, self.symmetric)
        if not 50 < self.q <= 100:
            raise ValueError(f"q must be in (50, 100], not {self.q}")

    def begin(self) -> HistogramStatistics:
        """Statistics that have seen nothing."""
        return HistogramStatistics(self)

    def clip(self, histogram: Histogram) -> tuple[float, float]:
        """The range between the percentiles."""
        counts = histogram.counts
        below, above = histogram.edges
        if self.symmetric:
            folded = counts[SIDE - 1 :] + np.append(0, counts[SIDE - 2 :: -1])
            limit = self._end(folded, above[SIDE - 1 :])
            limit = min(limit, max(-histogram.low, histogram.high))
            return -limit, limit
        low = -self._end(counts[::-1], -below[::-1])
        high = self._end(counts, above)
        return max(low, histogram.low), min(high, histogram.high)

    def _end(self, counts: Counts, outer: F64) -> float:
        """The outer edge of the first bin up to which q percent of the numbers are."""
        wanted = math.ceil(int(counts.sum()) * self.q / 100)
        return float(outer[np.searchsorted(np.cumsum(counts), wanted)])
