"""Causes: why a layer loses accuracy when it is quantized, with the numbers that say so.

The set is closed. A cause's `name` is what programs read, its `title` a few words for people, and
as text it is a sentence with its numbers. The range of a channel is its largest magnitude; `levels`
is how many steps of the codes it reaches, of the 127 that 8 bits have on either side of 0.
"""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from intact.diagnosis.channel_causes import (
    DeadChannel,
    FoldBlowUp,
    OutlierChannel,
    PerTensorWeight,
    Tensor,
    UnevenInputs,
)
from intact.diagnosis.range_causes import CalibrationTooNarrow, RangeClipped, RangeTooWide
from intact.diagnosis.wording import num, percent, steps

__all__ = [
    "CalibrationTooNarrow",
    "Cause",
    "DeadChannel",
    "FewBits",
    "FixedTail",
    "FoldBlowUp",
    "OutlierChannel",
    "PerTensorWeight",
    "RangeClipped",
    "RangeTooWide",
    "RareLargeValues",
    "ShiftedMean",
    "Tensor",
    "TinyAddend",
    "UnevenInputs",
]


@dataclass(frozen=True, slots=True)
class TinyAddend:
    """One operand of a sum is hardly more than a step of the sum's codes."""

    name: ClassVar[str] = "tiny_addend"
    operand: str
    range: float
    step: float  # of the sum
    output_range: float

    @property
    def title(self) -> str:
        """In a few words."""
        return "tiny-scale sum"

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f'"{self.operand}" reaches {num(self.range)}, but the sum {num(self.output_range)}, so'
            f" that its codes are {num(self.step)} apart: {steps(self.range / self.step)} are left"
            " for that operand"
        )


@dataclass(frozen=True, slots=True)
class FixedTail:
    """Softmax or sigmoid in 8 bits, whose codes are 1/256 apart: smaller numbers become 0."""

    name: ClassVar[str] = "fixed_tail"
    op: str
    share: float  # of the numbers that become 0 and are not
    mass: float  # their sum over the sum of all
    step: float

    @property
    def title(self) -> str:
        """In a few words."""
        return f"8-bit {self.op} tail"

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f"the codes of a {self.op} are {num(self.step)} apart: {percent(self.share)} of its"
            f" numbers, {percent(self.mass)} of their sum, are smaller than half of that and"
            " become 0"
        )


@dataclass(frozen=True, slots=True)
class ShiftedMean:
    """The rounding of the weights moves the means of channels, which later layers add up."""

    name: ClassVar[str] = "shifted_mean"
    share: float  # of the layer's noise

    @property
    def title(self) -> str:
        """In a few words."""
        return "shifted mean"

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f"rounding the weights moves the means of the output's channels: {percent(self.share)}"
            " of this layer's noise is such a constant error"
        )


@dataclass(frozen=True, slots=True)
class FewBits:
    """The format has few values, and no single channel or range is at fault."""

    name: ClassVar[str] = "few_bits"
    tensor: Tensor
    bits: int

    @property
    def title(self) -> str:
        """In a few words."""
        return f"{self.bits}-bit {self.tensor.value}"

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f"{self.bits} bits are few for its {self.tensor.value}; no single channel or range is"
            " at fault"
        )


@dataclass(frozen=True, slots=True)
class RareLargeValues:
    """Rare large numbers set the range; the usual ones reach few levels."""

    name: ClassVar[str] = "rare_large_values"
    tensor: Tensor
    range: float
    typical: float  # root mean square
    levels: float  # that it reaches

    @property
    def title(self) -> str:
        """In a few words."""
        return f"rare large values in its {self.tensor.value}"

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f"its {self.tensor.value} reaches {num(self.range)}, but its usual numbers (root mean"
            f" square) {num(self.typical)}, which is {steps(self.levels)}"
        )


Cause: TypeAlias = (
    OutlierChannel
    | UnevenInputs
    | PerTensorWeight
    | DeadChannel
    | FoldBlowUp
    | RangeClipped
    | CalibrationTooNarrow
    | RangeTooWide
    | TinyAddend
    | FixedTail
    | ShiftedMean
    | FewBits
    | RareLargeValues
)
