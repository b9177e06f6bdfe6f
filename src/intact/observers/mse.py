"""Mse: the range with the smallest mean squared error of quantization.

The error of a range is exact for numbers spread evenly within each bin of the histogram. With
step s, u = t / s and k = clip(round(u), first code, last code), both relative to the zero point,

    integral from 0 to t of (t' - quantized(t'))**2 dt' = s**3 * (k / 12 + (u - k)**3 / 3),

inside the range (the sawtooth of rounding) as outside (clipping). Numbers that are exactly 0 have
no error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from intact.numerics.arrays import F64
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.observers.histogram import Histogram, HistogramStatistics
from intact.observers.params import check_settings, choose_params

# Fractions of the full range that are tried first: down to 1/256 of it.
_COARSE: list[float] = [2.0 ** (-i / 4) for i in range(33)]
_FINE: list[float] = [2.0 ** (i / 32) for i in range(8, -9, -1)]  # then around the best of them
_ROUNDS = 3  # of searching each end while the other is held


@dataclass(frozen=True, slots=True)
class Mse:
    """Range that minimizes the squared error; asymmetric: searches both ends in turn."""

    format: Int
    symmetric: bool = False

    def __post_init__(self) -> None:
        check_settings(self.format, self.symmetric)

    def begin(self) -> HistogramStatistics:
        """Statistics that have seen nothing."""
        return HistogramStatistics(self)

    def clip(self, histogram: Histogram) -> tuple[float, float]:
        """The best range that the search meets."""
        error = _Error(histogram)

        def of(low: float, high: float) -> float:
            return error(choose_params(low, high, self.format, self.symmetric))

        low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
        if self.symmetric:
            limit = _search(lambda end: of(-end, end), max(-low, high))
            return -limit, limit
        best = (low, high)
        for _ in range(_ROUNDS):
            new_high = _search(partial(of, best[0]), high)
            new_low = _search(partial(_swapped, of, new_high), low)
            if (new_low, new_high) == best:
                break
            best = (new_low, new_high)
        return best


class _Error:
    """Squared error of a histogram's numbers, summed, for any parameters."""

    def __init__(self, histogram: Histogram) -> None:
        counts = histogram.nonzeros
        used = counts > 0
        self.lower, self.upper = (edge[used] for edge in histogram.edges)
        self.density = counts[used] / (self.upper - self.lower)

    def __call__(self, params: QuantParams) -> float:
        integral = _integral(self.upper, params) - _integral(self.lower, params)
        return float(np.dot(self.density, integral))


def _integral(t: F64, params: QuantParams) -> F64:
    assert isinstance(params.format, Int)
    step, zero_point = float(params.scale), int(params.offset)
    u = t / step
    k = np.clip(np.rint(u), params.format.qmin - zero_point, params.format.qmax - zero_point)
    return np.asarray(step**3 * (k / 12 + (u - k) ** 3 / 3))


def _swapped(function: Callable[[float, float], float], second: float, first: float) -> float:
    return function(first, second)


def _search(error: Callable[[float], float], full: float) -> float:
    """The fraction of `full` with the smallest error, the larger of equals; not beyond `full`."""
    if full == 0:
        return full
    coarse = min((full * fraction for fraction in _COARSE), key=error)
    around = [coarse * fraction for fraction in _FINE]
    return min((end for end in around if abs(end) <= abs(full)), key=error)
