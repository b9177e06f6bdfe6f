"""Causes that lie in single channels of a layer: see `causes`."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from intact.diagnosis.wording import num, steps


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
            f"channel {self.channel} of its {self.tensor.value} reaches {num(self.range)}, the"
            f" median channel {num(self.median_range)}: all share one scale, which leaves"
            f" {steps(self.levels)} for the median channel"
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
            f"the weights that read input channel {self.channel} reach {num(self.range)}, those of"
            f" the median channel {num(self.median_range)}: both have one scale, which leaves"
            f" {steps(self.levels)} for the smaller"
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
            f" {num(self.range)}, the median {num(self.median_range)}, which is"
            f" {steps(self.levels)}; {self.starved} channels reach fewer than 8 steps"
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
        why = "" if self.variance is None else f" (its BatchNorm has variance {num(self.variance)})"
        return (
            f"channel {self.channel} always gives the same number, yet its weights reach"
            f" {num(self.range)}{why}, those of the median channel {num(self.median_range)}: all"
            f" share one scale, which leaves {steps(self.levels)} for the median channel"
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
            f"BatchNorm multiplies the weights of channel {self.channel} by {num(self.factor)},"
            f" those of the median channel by {num(self.median_factor)}: all share one scale, which"
            f" leaves {steps(self.levels)} for the median channel"
        )
