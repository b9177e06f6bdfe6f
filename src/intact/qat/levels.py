"""Numbers as whole multiples of a step, of which training's integer products are made."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from intact.numerics.integers import integer_range, integer_unit
from intact.numerics.qtensor import QuantParams, scalar_scale
from intact.qat.grid import Grid


@dataclass(frozen=True, slots=True)
class Steps:
    """A grid: `low` to `high` times `size`, which has shape () or the numbers' rank."""

    size: Tensor
    low: int
    high: int

    @classmethod
    def of(cls, params: QuantParams, device: torch.device) -> "Steps":
        """Those of an activation, of which there is one scale."""
        low, high = integer_range(params.format)
        zero_point = int(params.offset.reshape(-1)[0])
        size = torch.tensor(scalar_scale(params) * integer_unit(params.format), device=device)
        return cls(size, low - zero_point, high - zero_point)

    @classmethod
    def of_grid(cls, grid: Grid) -> "Steps":
        """Those of a weight's grid."""
        low, high = (grid.format.qmin - grid.zero_point), (grid.format.qmax - grid.zero_point)
        return cls(grid.scale.detach(), int(low.min()), int(high.max()))

    @property
    def reach(self) -> int:
        """The largest magnitude of a level."""
        return max(-self.low, self.high)

    @property
    def is_single(self) -> bool:
        """Whether all numbers share the step."""
        return self.size.numel() == 1


@dataclass(frozen=True, slots=True)
class Levels:
    """numbers = values * steps.size; values are whole numbers, as floats."""

    values: Tensor
    steps: Steps

    def real(self) -> Tensor:
        """The numbers."""
        return self.values * self.steps.size


@runtime_checkable
class HasSteps(Protocol):
    """A `FakeWeight` whose numbers lie on a grid."""

    def steps(self, x: Tensor) -> Steps:
        """The grid that `self(x)` lies on, if it is quantized at all."""


@runtime_checkable
class HasLevels(Protocol):
    """A `GradientQuantizer` whose gradients lie on a grid."""

    def levels(self, gradient: Tensor) -> Levels | None:
        """What `self(gradient)` gives, exactly; none, or no finite steps, of what is not finite."""


@torch.no_grad()
def recovered(real: Tensor, steps: Steps) -> Levels | None:
    """The levels of numbers; None where the grid does not have all of them, exactly.

    So numbers that a quantizer lets pass while it is delayed, or that were not rounded after an
    average, never count as levels.
    """
    if not (steps.is_single or steps.size.numel() == len(real) == steps.size.shape[0]):
        return None
    values = (real / steps.size).round_().clamp_(steps.low, steps.high)
    found = Levels(values, steps)
    return found if torch.equal(found.real(), real) else None
