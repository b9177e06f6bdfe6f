"""LinearQuant of QNN: k bits over a range that is a power of two.

Hubara et al. 2016, "Quantized neural networks" (arXiv 1609.07061), section 3.

    forward:   y = clip(s round(x / s), -limit, limit - s),    s = limit / 2**(k - 1)
    backward:  dx = dy where |x| <= limit, else 0

Of an activation without negative numbers in its first batch s = limit / 2**k, the codes are those
of 0 to limit - s, and the gradient passes where 0 <= x <= limit. The paper's limit is 1, the range
of hard tanh; the default follows the numbers, as the weights of a network trained before are much
smaller than 1. Weights of a given limit are clipped to it after each update (`clip_after_steps`).

Gradients, k = 6: the same with the limit just above the largest magnitude.
"""

import math

import torch
from torch import Tensor, nn

from intact.numerics.formats import Int
from intact.numerics.granularity import Granularity, PerTensor
from intact.numerics.qtensor import ScaledTensor
from intact.observers.params import SMALLEST_SCALE
from intact.qat.gradients import GradientOfLevels
from intact.qat.grid import Grid, in_groups
from intact.qat.learned import LearnedActivation, first_zero_point
from intact.qat.levels import Levels, Steps
from intact.qat.shift import power_above
from intact.qat.straight_through import straight_through

_PER_TENSOR = PerTensor()


class LinearWeight(nn.Module):
    """A weight of k bits.

    Args:
        weight: Not looked at.
        format: The codes, signed.
        limit: A power of two; None: the least that is not below the weight's largest magnitude.
        granularity: What shares a limit of None.
    """

    def __init__(
        self,
        weight: Tensor,  # noqa: ARG002
        format: Int = Int(4),  # noqa: B008
        limit: float | None = None,
        granularity: Granularity = _PER_TENSOR,
    ) -> None:
        super().__init__()
        _check(limit)
        self.format, self.limit, self.granularity = format, limit, granularity

    def forward(self, x: Tensor) -> Tensor:
        """The weight's quantized numbers."""
        return _passed(x, self._grid(x))

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes."""
        return self._grid(x).codes(x, symmetric=True)

    def steps(self, x: Tensor) -> Steps:
        """The grid that it lies on."""
        return Steps.of_grid(self._grid(x))

    def clip(self, weight: Tensor) -> None:
        """Clips a weight of given limit to it, in place."""
        if self.limit is not None:
            weight.clamp_(-self.limit, self.limit)

    def _grid(self, x: Tensor) -> Grid:
        parts, scales = in_groups(x.detach(), self.granularity)
        limit = power_above(parts.abs().amax(1)).reshape(scales)
        if self.limit is not None:
            limit = torch.full_like(limit, self.limit)
        step = (limit / 2 ** (self.format.bits - 1)).clamp_min(SMALLEST_SCALE)
        return Grid(self.format, step, torch.zeros_like(step))


class LinearActivation(LearnedActivation):
    """An activation of k bits.

    Args:
        format: The codes, signed.
        limit: A power of two; None: the least not below the first batch's largest magnitude.
    """

    limit: Tensor
    zero_point: Tensor

    def __init__(
        self,
        format: Int = Int(4),  # noqa: B008
        limit: float | None = None,
    ) -> None:
        super().__init__(format)
        _check(limit)
        self._given = limit
        self.register_buffer("limit", torch.ones(()))
        self.register_buffer("zero_point", torch.zeros(()))

    def _quantized(self, x: Tensor) -> Tensor:
        return self._grid().passing(x, 2**self.format.bits)

    def _begin(self, x: Tensor) -> None:
        self.zero_point.fill_(first_zero_point(x, self.format))
        found = power_above(x.float().abs().max())
        self.limit.copy_(found if self._given is None else torch.tensor(self._given))

    def _grid(self) -> Grid:
        lowest = self.format.qmin - self.zero_point
        step = self.limit / (lowest + 2**self.format.bits)
        return Grid(self.format, step.clamp_min(SMALLEST_SCALE), self.zero_point)


class LinearGradient(GradientOfLevels):
    """A gradient of k bits.

    Args:
        bits: k.
    """

    def __init__(self, bits: int = 6) -> None:
        super().__init__()
        self.bits = Int(bits).bits

    def _levels(self, gradient: Tensor) -> Levels:
        codes = 2 ** (self.bits - 1)
        step = power_above(gradient.abs().max()) / codes
        values = (gradient / step).round().clamp(-codes, codes - 1)
        return Levels(values, Steps(step, -codes, codes - 1))


def _check(limit: float | None) -> None:
    if limit is not None and not (limit > 0 and math.frexp(limit)[0] == 0.5):
        raise ValueError(f"the limit must be a power of two, not {limit}")


def _passed(x: Tensor, grid: Grid) -> Tensor:
    """The grid's numbers; the gradient passes up to one step above the highest of them."""
    low, _ = grid.bounds(x)
    inside = (x >= grid.real(low)) & (x <= grid.real(low + 2**grid.format.bits))
    return straight_through(grid.real(grid.levels(x)), torch.where(inside, x, 0.0))
