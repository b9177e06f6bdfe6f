"""Causes that lie in the range of a layer's output: see `causes`."""

from dataclasses import dataclass
from typing import ClassVar

from intact.diagnosis.wording import num, percent


@dataclass(frozen=True, slots=True)
class RangeClipped:
    """The codes of the output end where its numbers do not."""

    name: ClassVar[str] = "range_clipped"
    low: float
    high: float
    seen_low: float
    seen_high: float
    share: float  # of the numbers that are cut off

    @property
    def title(self) -> str:
        """In a few words."""
        return "range clipped"

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f"its codes reach from {num(self.low)} to {num(self.high)}, but its numbers from"
            f" {num(self.seen_low)} to {num(self.seen_high)}: {percent(self.share)} of them are cut"
            " off"
        )


@dataclass(frozen=True, slots=True)
class CalibrationTooNarrow:
    """The same, because the calibration samples gave only smaller numbers than those seen now."""

    name: ClassVar[str] = "calibration_too_narrow"
    low: float  # in calibration
    high: float
    seen_low: float
    seen_high: float
    share: float  # of the numbers that are cut off
    samples: int | None  # of the calibration

    @property
    def title(self) -> str:
        """In a few words."""
        return "calibration samples unlike these"

    def __str__(self) -> str:
        """As a sentence."""
        match self.samples:
            case None:
                given = "the calibration samples"
            case 1:
                given = "the only calibration sample"
            case _:
                given = f"the {self.samples} calibration samples"
        span = f"from {num(self.low)} to {num(self.high)}"
        numbers = f"numbers {span}" if self.low < self.high else f"{num(self.low)} alone"
        return (
            f"{given} gave {numbers}, those here from"
            f" {num(self.seen_low)} to {num(self.seen_high)}: {percent(self.share)} of them are cut"
            " off"
        )


@dataclass(frozen=True, slots=True)
class RangeTooWide:
    """The codes of the output reach far beyond the numbers that occur."""

    name: ClassVar[str] = "range_too_wide"
    low: float
    high: float
    seen_low: float
    seen_high: float

    @property
    def title(self) -> str:
        """In a few words."""
        return "range too wide"

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f"its codes reach from {num(self.low)} to {num(self.high)}, but its numbers only from"
            f" {num(self.seen_low)} to {num(self.seen_high)}: most codes are never used"
        )
