"""PACT: the clip of an activation is learned.

Choi et al. 2018, "PACT: parameterized clipping activation for quantized neural networks".

    forward:   y = clip(x, 0, alpha), rounded to multiples of s = alpha / (2**k - 1)
    backward:  dx = dy where 0 <= x < alpha, else 0
               dalpha = sum of dy where x >= alpha

It takes the place of a ReLU, or follows one. Nothing else than saturation moves alpha, so that the
paper adds L2 regularization, with the coefficient of the weights' own: (decay / 2) alpha**2, which
`penalty` gives to the loss (or let the optimizer's weight decay do it, not both).

An activation with negative numbers in its first batch is clipped on both sides, to codes of zero
point 0: s = alpha / qmax, and where x lies below s qmin, dalpha = (qmin / qmax) dy.
"""

from typing import Any

import torch
from torch import Tensor, nn

from intact.numerics.formats import Int
from intact.qat.grid import Grid, hardtanh_backward, inclusive, positive
from intact.qat.learned import LearnedActivation, first_zero_point


class PactActivation(LearnedActivation):
    """An activation with a learned clip.

    Args:
        format: The codes; those of k bits.
        alpha: Where the clip begins; None: at the largest number of the first batch.
        decay: The coefficient of alpha's L2 regularization.
    """

    zero_point: Tensor

    def __init__(
        self,
        format: Int = Int(4),  # noqa: B008
        alpha: float | None = None,
        decay: float = 2e-4,
    ) -> None:
        super().__init__(format)
        if alpha is not None and alpha <= 0:
            raise ValueError(f"alpha must be positive, not {alpha}")
        self.decay, self._given = decay, alpha
        self.alpha = nn.Parameter(torch.ones(()))
        self.register_buffer("zero_point", torch.zeros(()))

    def _quantized(self, x: Tensor) -> Tensor:
        grid = self._grid()
        found: Tensor = _Clipped.apply(x, self.alpha, grid.scale, *grid.ends())  # type: ignore[no-untyped-call]
        return found

    def _begin(self, x: Tensor) -> None:
        self.zero_point.fill_(first_zero_point(x, self.format))
        largest = float(x.abs().max()) if self._given is None else self._given
        self.alpha.fill_(largest or 1.0)

    def penalty(self) -> Tensor:
        """L2 regularization of the clip: its gradient is decay * alpha."""
        return self.alpha.square() * (self.decay / 2)

    def _grid(self) -> Grid:
        step = self.alpha.detach() / (self.format.qmax - self.zero_point)
        return Grid(self.format, positive(step), self.zero_point)


class _Clipped(torch.autograd.Function):
    """The equations as few passes over memory."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, alpha: Tensor, scale: Tensor, low: float, high: float
    ) -> Tensor:
        levels = (x / scale).round_().clamp_(low, high)
        ctx.save_for_backward(x, levels)
        # The equation's gradient is 0 at the upper end, as hardtanh's is, but not at the lower one.
        end = float(high * scale)
        below, _ = inclusive(float(low * scale), end)
        ctx.constants = alpha.shape, below, end, high
        return levels * scale

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        x, levels = ctx.saved_tensors
        shape, below, end, high = ctx.constants
        dx = hardtanh_backward(dy, x, below, end)
        return dx, (dy - dx).mul_(levels).sum().reshape(shape) / high, None, None, None
