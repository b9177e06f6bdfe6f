"""LSQ: the step size is learned (Esser et al. 2020, "Learned step size quantization").

    forward:   y = s clamp(round(v), Qn, Qp),    v = x / s
    backward:  dx = dy where Qn < v < Qp, else 0
               ds = g sum of dy (round(v) - v) where Qn < v < Qp, Qn or Qp where it saturates

with g = 1 / sqrt(N Qp), N numbers that share the step (of activations: of one sample). The step
begins at 2 mean|x| / sqrt(Qp), of the weight or of the first batch. An activation without negative
numbers in its first batch has the codes from its zero point qmin on, all others zero point 0.

A step stays positive: below the smallest scale it is taken as that.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from intact.numerics.formats import Int
from intact.numerics.granularity import Granularity, PerChannel
from intact.numerics.qtensor import ScaledTensor
from intact.qat.grid import Grid, hardtanh_backward, in_groups, nonzero, positive, stretched
from intact.qat.learned import LearnedActivation, first_zero_point
from intact.qat.levels import Steps

_PER_CHANNEL = PerChannel()


class LsqWeight(nn.Module):
    """A weight with learned steps; the zero point is 0.

    Args:
        weight: The weight before training; from it the steps begin.
        format: The grid's codes.
        granularity: What shares a step (the paper: PerTensor()).
    """

    def __init__(
        self,
        weight: Tensor,
        format: Int = Int(4, narrow=True),  # noqa: B008
        granularity: Granularity = _PER_CHANNEL,
    ) -> None:
        super().__init__()
        self.format = format
        parts, scales = in_groups(weight.detach(), granularity)
        self.step = nn.Parameter(self._first_step(parts).reshape(scales))
        self._numbers = parts.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """The weight's quantized numbers."""
        return learned(x, self._grid(), self._numbers)

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes."""
        return self._grid().codes(x, symmetric=True)

    def steps(self, x: Tensor) -> Steps:  # noqa: ARG002  # the step is learned
        """The grid that it lies on."""
        return Steps.of_grid(self._grid())

    def _first_step(self, parts: Tensor) -> Tensor:
        """Of each part of the weight, (parts, numbers)."""
        return _first_step(parts.abs().mean(1), self.format.qmax)

    def _grid(self) -> Grid:
        return Grid(self.format, positive(self.step), torch.zeros_like(self.step))


class LsqActivation(LearnedActivation):
    """An activation with a learned step."""

    zero_point: Tensor

    def __init__(self, format: Int = Int(4)) -> None:  # noqa: B008
        super().__init__(format)
        self.step = nn.Parameter(torch.ones(()))
        self.register_buffer("zero_point", torch.zeros(()))

    def _begin(self, x: Tensor) -> None:
        self.zero_point.fill_(first_zero_point(x, self.format))
        highest = self.format.qmax - int(self.zero_point)
        self.step.copy_(_first_step(x.abs().mean(), highest))

    def _quantized(self, x: Tensor) -> Tensor:
        return learned(x, self._grid(), max(1, x[0].numel()))

    def _grid(self) -> Grid:
        return Grid(self.format, positive(self.step), self.zero_point)


def _first_step(mean: Tensor, highest: int) -> Tensor:
    """2 mean|x| / sqrt(Qp); 1 for zeros."""
    return nonzero(2 * mean / math.sqrt(highest))


def learned(x: Tensor, grid: Grid, numbers: int) -> Tensor:
    """The grid's numbers with LSQ's gradients; `numbers` share a step, all have one zero point."""
    low, high = grid.ends()
    step = stretched(grid.scale, x.shape)
    gain = 1 / math.sqrt(numbers * high)
    found: Tensor = _LearnedStep.apply(x, step, low, high, gain)  # type: ignore[no-untyped-call]
    return found


class _LearnedStep(torch.autograd.Function):
    """The equations as few passes over memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, low: float, high: float, gain: float) -> Tensor:
        v = x / step
        levels = v.round().clamp_(low, high)
        ctx.save_for_backward(v, levels)
        ctx.constants = step.shape, low, high, gain
        return levels * step

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        v, levels = ctx.saved_tensors
        shape, low, high, gain = ctx.constants
        dx = hardtanh_backward(dy, v, low, high)
        slope = levels - hardtanh_backward(v, v, low, high)
        return dx, (dy * slope).sum_to_size(shape) * gain, None, None, None
