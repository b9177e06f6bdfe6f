"""What calibration asks of an observer: frozen settings, and the statistics of one activation."""

from typing import Protocol, Self

from torch import Tensor

from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams


class Statistics(Protocol):
    """What is known of one activation so far, in memory that does not grow.

    The result depends on the samples and not on how they are cut into batches.
    """

    def update(self, x: Tensor) -> None:
        """Sees the samples of x, which lie along axis 0; all numbers are finite."""

    def merge(self, other: Self) -> Self:
        """The statistics of this one's samples followed by the other's.

        Raises:
            ValueError: if the other was begun by an observer with other settings.
        """

    @property
    def seen(self) -> tuple[float, float]:
        """Smallest and largest number of all samples; (inf, -inf) before the first."""

    def params(self) -> QuantParams:
        """Parameters for the whole tensor: scale of shape ().

        Raises:
            CalibrationError: if no sample was seen.
        """


class Observer(Protocol):
    """Settings of a way to find an activation's range."""

    @property
    def format(self) -> Int:
        """The grid of the codes."""

    @property
    def symmetric(self) -> bool:
        """Whether the zero point is 0."""

    def begin(self) -> Statistics:
        """Statistics that have seen nothing."""
