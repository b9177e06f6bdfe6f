"""Causes: why a layer loses accuracy when it is quantized, with the numbers that say so.

The set is closed. A cause's `name` is what programs read, its `title` a few words for people, and
as text it is a sentence with its numbers. The range of a channel is its largest magnitude; `levels`
is how many steps of the codes it reaches, of the 127 that 8 bits have on either side of 0.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypeAlias


class Tensor(Enum):
    """Which tensor of a layer."""

    WEIGHT = "weight"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class OutlierChannel:
    """One or a few channels are far larger than the others, which share a scale with them."""

    name: ClassVar[str] = "outlier_channel"
    tensor: Tensor
    channel: int
    range: float
    median_range: float
    levels: float  # of the median channel

    @property
    def title(self) -> str:
        """In a few words."""
        return f"outlier channel in its {self.tensor.value}"

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f"channel {self.channel} of its {self.tensor.value} reaches {_g(self.range)}, the"
            f" median channel {_g(self.median_range)}: all share one scale, which leaves"
            f" {_steps(self.levels)} for the median channel"
        )


@dataclass(frozen=True, slots=True)
class UnevenInputs:
    """The weights of some input channels are far larger than those of others beside them."""

    name: ClassVar[str] = "uneven_inputs"
    channel: int  # the one that is far from the median
    range: float  # of the weights that read it
    median_range: float
    levels: float  # of the smaller of both

    @property
    def title(self) -> str:
        """In a few words."""
        return "outlier channel in its input"

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f"the weights that read input channel {self.channel} reach {_g(self.range)}, those of"
            f" the median channel {_g(self.median_range)}: both are in the same scale, which leaves"
            f" {_steps(self.levels)} for the smaller"
        )


@dataclass(frozen=True, slots=True)
class PerTensorWeight:
    """One scale for a weight whose channels have very different ranges."""

    name: ClassVar[str] = "per_tensor_weight"
    depthwise: bool
    range: float
    median_range: float
    levels: float  # of the median channel
    starved: int  # channels that reach fewer than 8 levels
    channels: int

    @property
    def title(self) -> str:
        """In a few words."""
        return "per-tensor depthwise weight" if self.depthwise else "per-tensor weight"

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f"one scale for all {self.channels} channels of its weight: the largest reaches"
            f" {_g(self.range)}, the median {_g(self.median_range)}, which is"
            f" {_steps(self.levels)}; {self.starved} channels reach fewer than 8 steps"
        )


@dataclass(frozen=True, slots=True)
class DeadChannel:
    """A channel whose output never changes has the largest weights: BatchNorm divided by ~0."""

    name: ClassVar[str] = "dead_channel"
    channel: int
    variance: float | None  # BatchNorm's; None where it was folded before
    range: float
    median_range: float
    levels: float  # of the median channel

    @property
    def title(self) -> str:
        """In a few words."""
        return "dead channel"

    def __str__(self) -> str:
        """As a sentence."""
        why = "" if self.variance is None else f" (its BatchNorm has variance {_g(self.variance)})"
        return (
            f"channel {self.channel} always gives the same number, yet its weights reach"
            f" {_g(self.range)}{why}, those of the median channel {_g(self.median_range)}: all"
            f" share one scale, which leaves {_steps(self.levels)} for the median channel"
        )


@dataclass(frozen=True, slots=True)
class FoldBlowUp:
    """BatchNorm multiplies the weights of a channel by far more than those of the others."""

    name: ClassVar[str] = "fold_blow_up"
    channel: int
    factor: float  # gamma / sqrt(variance + eps)
    median_factor: float
    levels: float  # of the median channel

    @property
    def title(self) -> str:
        """In a few words."""
        return "fold blow-up"

    def __str__(self) -> str:
        """As a sentence."""
        return (
            f"BatchNorm multiplies the weights of channel {self.channel} by {_g(self.factor)},"
            f" those of the median channel by {_g(self.median_factor)}: all share one scale, which"
            f" leaves {_steps(self.levels)} for the median channel"
        )


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
            f"its codes reach from {_g(self.low)} to {_g(self.high)}, but its numbers from"
            f" {_g(self.seen_low)} to {_g(self.seen_high)}: {_percent(self.share)} of them are cut"
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
        return (
            f"{given} gave numbers from {_g(self.low)} to {_g(self.high)}, those here from"
            f" {_g(self.seen_low)} to {_g(self.seen_high)}: {_percent(self.share)} of them are cut"
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
            f"its codes reach from {_g(self.low)} to {_g(self.high)}, but its numbers only from"
            f" {_g(self.seen_low)} to {_g(self.seen_high)}: most codes are never used"
        )


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
            f'"{self.operand}" reaches {_g(self.range)}, but the sum {_g(self.output_range)}, so'
            f" that its codes are {_g(self.step)} apart: {_steps(self.range / self.step)} are left"
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
            f"the codes of a {self.op} are {_g(self.step)} apart: {_percent(self.share)} of its"
            f" numbers, {_percent(self.mass)} of their sum, are smaller than half of that and"
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
            f"rounding the weights moves the means of the output's channels: {_percent(self.share)}"
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
            f"its {self.tensor.value} reaches {_g(self.range)}, but its usual numbers (root mean"
            f" square) {_g(self.typical)}, which is {_steps(self.levels)}"
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


def _g(number: float) -> str:
    return f"{number:.3g}"


def _steps(levels: float) -> str:
    return "1 step of the codes" if levels == 1 else f"{levels:.2g} steps of the codes"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
