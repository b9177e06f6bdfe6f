"""Entropy: the range that keeps most information (Migacz 2017, "8-bit inference with TensorRT").

For each threshold t, P is the histogram clipped to [-t, t], outliers counted in the outermost bins;
Q is the histogram without the outliers after quantization, each level's count spread evenly over
the bins of the level that are not empty. The t with the smallest KL(P || Q) wins. Two-sided data
and zero points follow the same rule with the range [max(low, -t), min(high, t)].
"""

from dataclasses import dataclass

import numpy as np

from intact.numerics.arrays import F64
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.observers.histogram import SIDE, Histogram, HistogramStatistics
from intact.observers.params import check_settings, choose_params

_STRIDE = SIDE // 256  # bins between two thresholds
_EMPTY = 2.0**-24  # probability of an empty bin, where KL would be infinite


@dataclass(frozen=True, slots=True)
class Entropy:
    """Range with the smallest Kullback-Leibler divergence; for formats of up to 8 bits."""

    format: Int
    symmetric: bool = False

    def __post_init__(self) -> None:
        check_settings(self.format, self.symmetric)
        if self.format.bits > 8:
            raise ValueError(f"Entropy is for up to 8 bits, not {self.format}: use MinMax or Mse")

    def begin(self) -> HistogramStatistics:
        """Statistics that have seen nothing."""
        return HistogramStatistics(self)

    def clip(self, histogram: Histogram) -> tuple[float, float]:
        """The best range; numbers that are exactly 0 have no say."""
        low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
        counts = histogram.nonzeros.astype(np.float64)
        below, above = histogram.edges
        centres = np.clip((below + above) / 2, low, high)
        best, least = (low, high), np.inf
        for stop in range(SIDE, self._fewest(two_sided=low < 0 < high), -_STRIDE):
            limit = stop * histogram.width
            ends = (max(low, -limit), min(high, limit))
            if ends == best and np.isfinite(least):
                continue
            params = choose_params(*ends, self.format, self.symmetric)
            divergence = _divergence(counts, centres, stop, params)
            if divergence < least:
                best, least = ends, divergence
        return best

    def _fewest(self, two_sided: bool) -> int:
        """As many bins on a side as there are levels: fewer would lose nothing but outliers."""
        return 1 << (self.format.bits - int(self.symmetric or two_sided))


def _divergence(counts: F64, centres: F64, stop: int, params: QuantParams) -> float:
    """KL(P || Q) of the threshold behind bin stop - 1 on each side; inf if nothing is inside."""
    kept = slice(SIDE - stop, SIDE - 1 + stop)
    inside = counts[kept]
    if not inside.any():
        return np.inf
    clipped = inside.copy()
    clipped[0] += counts[: kept.start].sum()
    clipped[-1] += counts[kept.stop :].sum()
    level = params.quantize(centres[kept]).astype(np.int64)
    level -= level[0]
    filled = np.bincount(level, inside > 0)
    even = np.bincount(level, inside) / np.maximum(filled, 1)
    p, q = clipped / clipped.sum(), np.where(inside > 0, even[level], 0) / inside.sum()
    some = p > 0
    return float(np.sum(p[some] * np.log(p[some] / np.maximum(q[some], _EMPTY))))
