"""MinMax: the range of everything that was seen."""

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.observers.memory_order import in_memory_order
from intact.observers.params import check_settings, choose_params, no_samples, require_same


@dataclass(frozen=True, slots=True)
class MinMax:
    """Range from the smallest to the largest number of all samples."""

    format: Int
    symmetric: bool = False

    def __post_init__(self) -> None:
        check_settings(self.format, self.symmetric)

    def begin(self) -> "MinMaxStatistics":
        """Statistics that have seen nothing."""
        return MinMaxStatistics(self)


@dataclass(slots=True)
class MinMaxStatistics:
    """Smallest and largest number so far."""

    observer: MinMax
    low: float = inf
    high: float = -inf

    def update(self, x: Tensor) -> None:
        """Widens the range to the numbers of x."""
        if x.numel():
            low, high = torch.aminmax(in_memory_order(x))
            self.low, self.high = min(self.low, low.item()), max(self.high, high.item())

    def merge(self, other: "MinMaxStatistics") -> "MinMaxStatistics":
        """The range that covers both."""
        require_same(self.observer, other.observer)
        return MinMaxStatistics(self.observer, min(self.low, other.low), max(self.high, other.high))

    @property
    def seen(self) -> tuple[float, float]:
        """Smallest and largest number of all samples."""
        return self.low, self.high

    def params(self) -> QuantParams:
        """Parameters that cover the range."""
        if self.low > self.high:
            raise no_samples()
        return choose_params(self.low, self.high, self.observer.format, self.observer.symmetric)
