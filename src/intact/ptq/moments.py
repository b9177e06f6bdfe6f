"""What is known of each channel of a value without samples: mean, deviation and range.

A value before an activation function is taken to be normal. Of a normal variable cut to low..high,
with a = (low - mean) / deviation, b = (high - mean) / deviation, the normal density phi and
distribution Phi (Nagel et al. 2019, appendix C):

    E[y]  = deviation (phi(a) - phi(b)) + mean (Phi(b) - Phi(a)) + low Phi(a) + high (1 - Phi(b))
    E[y2] = (mean2 + deviation2) (Phi(b) - Phi(a)) + deviation mean (phi(a) - phi(b))
            + deviation (low phi(a) - high phi(b)) + low2 Phi(a) + high2 (1 - Phi(b)).

The latter follows from integrating by parts twice; a bound that is infinite drops out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import erf, pi, sqrt

import numpy as np

from intact.numerics.arrays import F64, Array

_POINTS = 513  # of a function over 16 deviations


@dataclass(frozen=True, slots=True)
class Moments:
    """A value's channels: arrays of shape (C,) about the entries along `axis`."""

    axis: int
    mean: F64
    deviation: F64
    low: F64  # what the range has to cover, not a bound
    high: F64

    def clipped(self, low: Array | float, high: Array | float) -> "Moments":
        """Of min(max(x, low), high); the bounds are numbers or one for each channel."""
        mean, deviation = clipped_normal(self.mean, self.deviation, low, high)
        ends = (np.clip(end, low, high) for end in (self.low, self.high))
        return Moments(self.axis, mean, deviation, *ends)

    def of(self, function: Callable[[F64], F64]) -> "Moments":
        """Of a function of each number, by summing over its values at 8 deviations each side."""
        grid = np.linspace(-8, 8, _POINTS)
        weights = np.exp(-(grid**2) / 2)
        weights /= weights.sum()
        values = function(self.mean[:, None] + self.deviation[:, None] * grid)
        mean = values @ weights
        deviation = np.sqrt(np.maximum(values**2 @ weights - mean**2, 0))
        span = np.linspace(0, 1, _POINTS)
        inside = function(self.low[:, None] + (self.high - self.low)[:, None] * span)
        return Moments(self.axis, mean, deviation, inside.min(axis=1), inside.max(axis=1))

    @property
    def range(self) -> tuple[float, float]:
        """Of all channels."""
        return float(self.low.min()), float(self.high.max())


def normal(axis: int, mean: F64, deviation: F64, deviations: float) -> Moments:
    """Of normal channels whose range is so many deviations on each side of the mean."""
    reach = deviations * deviation
    return Moments(axis, mean, deviation, mean - reach, mean + reach)


def clipped_normal(
    mean: Array | float, deviation: Array | float, low: Array | float, high: Array | float
) -> tuple[F64, F64]:
    """(mean, deviation) of min(max(x, low), high) with x normal; a bound may be infinite."""
    mean, low, high = (np.asarray(x, np.float64) for x in (mean, low, high))
    spread = np.maximum(np.asarray(deviation, np.float64), 1e-30)
    with np.errstate(over="ignore", invalid="ignore"):
        a, b = (low - mean) / spread, (high - mean) / spread
        inside = _distribution(b) - _distribution(a)
        below, above = _distribution(a), 1 - _distribution(b)
        step = _density(a) - _density(b)
        bottom, top = (np.where(np.isfinite(end), end, 0.0) for end in (low, high))
        first = spread * step + mean * inside + bottom * below + top * above
        edges = bottom * _density(a) - top * _density(b)
        second = (mean**2 + spread**2) * inside + spread * (mean * step + edges)
        second += bottom**2 * below + top**2 * above
    return first, np.sqrt(np.maximum(second - first**2, 0))


def _density(x: F64) -> F64:
    return np.exp(-(np.clip(x, -40, 40) ** 2) / 2) / sqrt(2 * pi)


# To the last digit, or a bound that is far away would count.
_erf = np.vectorize(erf, otypes=[np.float64])


def _distribution(x: F64) -> F64:
    return np.asarray((1 + _erf(x / sqrt(2))) / 2)
