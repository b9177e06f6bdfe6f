"""Fake quantization with the range of what is seen (Jacob et al. 2017, section 3).

Weights: the range of the weight itself, anew in every step. Activations: exponential moving
averages of each batch's smallest and largest number, with the decay close to 1. Both are rounded to
the grid of that range; the gradient passes where nothing saturates:

    forward:   y = s (clamp(round(x / s) + z, qmin, qmax) - z)
    backward:  dx = dy where x lies between s (qmin - z) and s (qmax - z), else 0

While ranges still change much, quantized activations keep a network from learning: for `delay`
batches they pass as they are and only their ranges are learned (50,000 to 2 million in the paper,
of networks trained from scratch; 0 suits networks that are trained already). Weights can wait, too.

Stochastic rounding, in training only (Krishnamoorthi 2018, section 2.3): round(x / s + N), with N
uniform in [-1/2, 1/2), anew for each number, whose mean is x / s where nothing saturates. The paper
finds that rounding to the nearest trains as well or better.
"""

import torch
from torch import Tensor, nn

from intact.numerics.formats import Int
from intact.numerics.granularity import Granularity, PerChannel
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.observers import choose_params, in_memory_order
from intact.qat.grid import Grid, in_groups
from intact.qat.levels import Steps
from intact.qat.noise import Noise
from intact.qat.processes import common_range
from intact.qat.protocol import no_data
from intact.qat.straight_through import straight_through

_PER_CHANNEL = PerChannel()


class MinMaxWeight(nn.Module):
    """A weight on the grid of its own range; it has nothing to learn but the weight.

    Args:
        weight: Not looked at: the range follows it in training.
        format: The grid's codes.
        granularity: What shares a scale.
        symmetric: Whether the zero point is 0.
        delay: Batches of training that compute with the weight as it is.
        stochastic: Whether training rounds with noise.
        seed: Of the noise.
    """

    batches: Tensor

    def __init__(
        self,
        weight: Tensor,  # noqa: ARG002
        format: Int = Int(8, narrow=True),  # noqa: B008
        granularity: Granularity = _PER_CHANNEL,
        symmetric: bool = True,
        delay: int = 0,
        stochastic: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.format, self.granularity, self.symmetric = format, granularity, symmetric
        self.delay = delay
        self.noise = Noise(seed) if stochastic else None
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """The weight's quantized numbers."""
        if self.training and self.delay:
            self.batches += 1
            if int(self.batches) <= self.delay:
                return x
        return _rounded(x, self._grid(x), self.noise if self.training else None)

    def unended(self, batches: int) -> str | None:
        """Whether all of the training was a delay."""
        return _delayed(self.delay, int(self.batches)) if batches else None

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes."""
        return self._grid(x).codes(x, symmetric=self.symmetric)

    def steps(self, x: Tensor) -> Steps:
        """The grid that it lies on."""
        return Steps.of_grid(self._grid(x))

    def _grid(self, x: Tensor) -> Grid:
        parts, scales = in_groups(x.detach(), self.granularity)
        low, high = (end.reshape(scales).cpu().numpy() for end in (parts.amin(1), parts.amax(1)))
        return Grid.of(choose_params(low, high, self.format, self.symmetric), x)


class MovingAverageActivation(nn.Module):
    """An activation on the grid of its average range.

    Args:
        format: The grid's codes.
        symmetric: Whether the zero point is 0.
        decay: Of the averages, for each batch; the first batch begins them.
        delay: Batches that pass as they are while the range is learned.
        stochastic: Whether training rounds with noise.
        seed: Of the noise.
    """

    low: Tensor
    high: Tensor
    batches: Tensor

    def __init__(
        self,
        format: Int = Int(8),  # noqa: B008
        symmetric: bool = False,
        decay: float = 0.99,
        delay: int = 0,
        stochastic: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), not {decay}")
        self.format, self.symmetric, self.decay, self.delay = format, symmetric, decay, delay
        self.noise = Noise(seed) if stochastic else None
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """The activation's quantized numbers; as it is in the delay, and before any training."""
        if self.training:
            self._update(x.detach())
        if int(self.batches) <= self.delay and (self.training or not int(self.batches)):
            return x
        noise = None if self.noise is None or not self.training else self.noise(x) - 0.5
        return Grid.of(self.params(), x).passing(x, self.format.qmax - self.format.qmin, noise)

    def unended(self, batches: int) -> str | None:
        """Whether all of the training was a delay."""
        return _delayed(self.delay, int(self.batches)) if batches else None

    def _update(self, x: Tensor) -> None:
        low, high = common_range(*torch.aminmax(in_memory_order(x.float())))
        keep = self.decay if int(self.batches) else 0.0
        self.low.mul_(keep).add_(low * (1 - keep))
        self.high.mul_(keep).add_(high * (1 - keep))
        self.batches += 1

    def params(self) -> QuantParams:
        """Those of the average range."""
        if not int(self.batches):
            raise no_data()
        return choose_params(float(self.low), float(self.high), self.format, self.symmetric)


def _delayed(delay: int, batches: int) -> str | None:
    """Why numbers were never quantized in training; None: they were, or there was none."""
    if not 0 < batches <= delay:
        return None
    return (
        f"never quantized in training, whose {batches} batches the delay of {delay} outlasts; give"
        " a shorter delay"
    )


def _rounded(x: Tensor, grid: Grid, noise: Noise | None) -> Tensor:
    """The grid's numbers; the gradient passes where nothing saturates."""
    low, high = (grid.real(bound) for bound in grid.bounds(x))
    inside = torch.where((x >= low) & (x <= high), x, 0.0)
    levels = grid.levels(x, None if noise is None else noise(x) - 0.5)
    return straight_through(grid.real(levels), inside)
