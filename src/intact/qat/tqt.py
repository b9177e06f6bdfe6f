"""TQT: learned thresholds with scales that are powers of two.

Jain et al. 2019, "Trained quantization thresholds for accurate and efficient fixed-point inference
of deep neural networks".

    forward:   y = s clamp(round(v), n, p),    v = x / s,    s = 2**ceil(log2 t) / (p + 1)
    backward:  dx = dy where n <= round(v) <= p, else 0
               d(log2 t) = s ln 2 sum of dy (round(v) - v), or dy n, dy p where it saturates

log2 t is what is learned: its gradient does not grow with the scale of x, and Adam makes it
independent of the scale of the loss (the paper: Adam, with rates of 1e-2 for thresholds and 1e-6
for weights of trained networks). A multiplication with such scales is a shift.

A weight's threshold begins at 3 standard deviations; an activation's at the one that keeps the most
information of the first batch (up to 8 bits), or at the largest number. One without negative
numbers in its first batch has the codes from its zero point qmin on, all others zero point 0.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from intact.numerics.formats import Int
from intact.numerics.granularity import Granularity, PerTensor
from intact.numerics.qtensor import ScaledTensor
from intact.observers import Entropy
from intact.qat.grid import Grid, hardtanh_backward, in_groups, inclusive, nonzero, stretched
from intact.qat.learned import LearnedActivation, first_zero_point

_PER_TENSOR = PerTensor()
_SMALLEST, _LARGEST = -64, 64  # of log2 t: scales stay far from the ends of float32


class TqtWeight(nn.Module):
    """A weight with learned thresholds; the zero point is 0.

    Args:
        weight: The weight before training; from it the thresholds begin.
        format: The grid's codes.
        granularity: What shares a threshold.
    """

    def __init__(
        self,
        weight: Tensor,
        format: Int = Int(8),  # noqa: B008
        granularity: Granularity = _PER_TENSOR,
    ) -> None:
        super().__init__()
        self.format = format
        parts, scales = in_groups(weight.detach(), granularity)
        first = nonzero(3 * parts.std(1, correction=0))
        self.log2_threshold = nn.Parameter(first.log2().reshape(scales))

    def forward(self, x: Tensor) -> Tensor:
        """The weight's quantized numbers."""
        return _learned(x, self._grid(), self.log2_threshold)

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes."""
        return self._grid().codes(x, symmetric=True)

    def _grid(self) -> Grid:
        return _grid(self.format, self.log2_threshold, torch.zeros_like(self.log2_threshold))


class TqtActivation(LearnedActivation):
    """An activation with a learned threshold."""

    zero_point: Tensor

    def __init__(self, format: Int = Int(8)) -> None:  # noqa: B008
        super().__init__(format)
        self.log2_threshold = nn.Parameter(torch.zeros(()))
        self.register_buffer("zero_point", torch.zeros(()))

    def _begin(self, x: Tensor) -> None:
        self.zero_point.fill_(first_zero_point(x, self.format))
        self.log2_threshold.fill_(math.log2(self._first_threshold(x)))

    def _first_threshold(self, x: Tensor) -> float:
        if self.format.bits > 8:
            return float(x.abs().max()) or 1.0
        symmetric = self.format.signed and not bool(self.zero_point)
        statistics = Entropy(self.format, symmetric).begin()
        statistics.update(x.float().cpu())
        return float(statistics.params().scale) * (self.format.qmax - int(self.zero_point))

    def _quantized(self, x: Tensor) -> Tensor:
        return _learned(x, self._grid(), self.log2_threshold)

    def _grid(self) -> Grid:
        return _grid(self.format, self.log2_threshold, self.zero_point)


def _grid(format: Int, log2_threshold: Tensor, zero_point: Tensor) -> Grid:
    power = log2_threshold.detach().ceil().clamp(_SMALLEST, _LARGEST)
    return Grid(format, power.exp2() / (format.qmax - zero_point + 1), zero_point)


def _learned(x: Tensor, grid: Grid, log2_threshold: Tensor) -> Tensor:
    """The grid's numbers with TQT's gradients."""
    step, threshold = (stretched(each, x.shape) for each in (grid.scale, log2_threshold))
    found: Tensor = _LearnedThreshold.apply(x, threshold, step, grid.ends())  # type: ignore[no-untyped-call]
    return found


class _LearnedThreshold(torch.autograd.Function):
    """The equations as few passes over memory."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        log2_threshold: Tensor,  # noqa: ARG004  # its gradient alone
        step: Tensor,
        ends: tuple[float, float],
    ) -> Tensor:
        v = x / step
        rounded = v.round()
        ctx.save_for_backward(v, rounded, step)
        ctx.ends = ends
        return rounded.clamp(*ends) * step

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None, None]:
        v, rounded, step = ctx.saved_tensors
        inside = inclusive(*ctx.ends)
        dx = hardtanh_backward(dy, rounded, *inside)
        slope = rounded.clamp(*ctx.ends) - hardtanh_backward(v, rounded, *inside)
        return dx, (slope.mul_(dy) * step).sum_to_size(step.shape) * math.log(2), None, None
