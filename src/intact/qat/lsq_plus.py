"""LSQ+: LSQ with a learned offset of activations and other first steps.

Bhalgat et al. 2020, "LSQ+: improving low-bit quantization through learnable offsets and better
initialization".

    forward:   y = s (q - z),    q = clamp(round(x / s) + z, qmin, qmax),
               z = clamp(round(qmin - b / s), qmin, qmax)
    backward:  dx = dy where qmin <= x / s + z <= qmax, else 0
               ds = g sum of dy (round(v) - v), v = x / s, or dy (q - qmin) where it saturates
               db = g sum of dy where it saturates

with LSQ's g = 1 / sqrt(N (qmax - qmin)) for both. The paper's y = s round((x - b) / s) + b has an
offset b of any size, and 0 off the grid; here b is rounded to the grid, straight through, as
integers need it: real 0 has the code z, and what is trained is what ships.

Weights are LSQ's with zero point 0 (the paper's fourth configuration). A weight's step begins at
max(|mean - 3 sigma|, |mean + 3 sigma|) / 2**(bits - 1); an activation's step and offset begin at
the least squared error of the first batch.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from intact.numerics.formats import Int
from intact.numerics.granularity import Granularity, PerChannel
from intact.observers import Mse
from intact.qat.grid import Grid, hardtanh_backward, inclusive, nonzero, positive
from intact.qat.learned import LearnedActivation
from intact.qat.lsq import LsqWeight

_PER_CHANNEL = PerChannel()


class LsqPlusWeight(LsqWeight):
    """LSQ's weight with steps that begin at its spread.

    Args:
        weight: The weight before training; from it the steps begin.
        format: The grid's codes.
        granularity: What shares a step (the paper: PerTensor()).
    """

    def __init__(
        self,
        weight: Tensor,
        format: Int = Int(4),  # noqa: B008
        granularity: Granularity = _PER_CHANNEL,
    ) -> None:
        super().__init__(weight, format, granularity)

    def _first_step(self, parts: Tensor) -> Tensor:
        spread = parts.mean(1).abs() + 3 * parts.std(1, correction=0)
        return nonzero(spread / (self.format.qmax + 1))


class LsqPlusActivation(LearnedActivation):
    """An activation with a learned step and offset."""

    def __init__(self, format: Int = Int(4)) -> None:  # noqa: B008
        super().__init__(format)
        self.step = nn.Parameter(torch.ones(()))
        self.offset = nn.Parameter(torch.zeros(()))  # the real number of the lowest code

    def _quantized(self, x: Tensor) -> Tensor:
        grid = self._grid()
        gain = 1 / math.sqrt(max(1, x[0].numel()) * (self.format.qmax - self.format.qmin))
        found: Tensor = _LearnedRange.apply(x, grid.scale, self.offset, grid.ends(), gain)  # type: ignore[no-untyped-call]
        return found

    def _begin(self, x: Tensor) -> None:
        statistics = Mse(self.format).begin()
        statistics.update(x.float().cpu())
        found = Grid.of(statistics.params(), x)
        self.step.copy_(found.scale)
        self.offset.copy_(found.real(self.format.qmin - found.zero_point))

    def _grid(self) -> Grid:
        step = positive(self.step)
        lowest, highest = self.format.qmin, self.format.qmax
        zero_point = (lowest - self.offset / step).round().clamp(lowest, highest)
        return Grid(self.format, step, zero_point.detach())


class _LearnedRange(torch.autograd.Function):
    """The equations as few passes over memory."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        step: Tensor,
        offset: Tensor,  # noqa: ARG004  # its gradient alone
        ends: tuple[float, float],
        gain: float,
    ) -> Tensor:
        v = x / step
        levels = v.round().clamp_(*ends)
        ctx.save_for_backward(v, levels)
        ctx.constants = step.shape, ends, gain
        return levels * step

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        v, levels = ctx.saved_tensors
        shape, (low, high), gain = ctx.constants
        inside = inclusive(low, high, slack=2)
        dx = hardtanh_backward(dy, v, *inside)
        saturated = (dy.sum() - dx.sum()).reshape(shape)
        slope = levels - hardtanh_backward(v, v, *inside)
        dstep = slope.mul_(dy).sum().reshape(shape) - low * saturated
        return dx, dstep * gain, saturated * gain, None, None
