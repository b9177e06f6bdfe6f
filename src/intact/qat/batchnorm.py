"""BatchNorm while training: folded into the weight before that is quantized, or not.

What ships is quantized folded: Q(w gamma / sigma). Training computes, with the factor f = gamma /
sigma, batch statistics mu_B, sigma_B and moving averages mu, sigma:

    NONE      BN(conv(x, Q(w)))                       the factor goes into the scales when it ships
    ONE_CONV  BN(conv(x, Q(w f) / f))                 f of sigma; mu_B, sigma_B of this convolution
    TWO_CONV  as ONE_CONV, but mu_B, sigma_B of the unquantized conv(x, w), a second convolution
    BATCH     as TWO_CONV, with f of sigma_B: the weights jitter from batch to batch

TWO_CONV is Krishnamoorthi 2018, section 3.2.2: Q(w f) is corrected by c = sigma_B / sigma, so that
the output is that of an ordinary BatchNorm; BATCH is the naive folding that he compares with.
ONE_CONV is MindSpore Golden Stick's. After freezing all compute with mu and sigma, which no longer
change: conv(x, Q(w f)) + beta - gamma mu / sigma.

f is kept away from 0, since a channel's weights are divided by it again.
"""

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from intact.ir import float_ops as ops
from intact.qat.shift_batchnorm import shift_moments, shift_slope

_SMALLEST_FACTOR = 1e-6


class Fold(Enum):
    """Which weight is quantized, and where the batch's statistics come from."""

    NONE = "none"
    ONE_CONV = "one-conv"
    TWO_CONV = "two-conv"
    BATCH = "batch"


@dataclass(frozen=True, kw_only=True)
class BatchNormTraining:
    """How the BatchNorms behind quantized layers train.

    `freeze_after` is the number of training batches after which their statistics stand still
    (Krishnamoorthi: 200,000 to 300,000 of training from scratch); None: never. `shift` is for
    factors that are powers of two (`shift_batchnorm`).
    """

    fold: Fold = Fold.NONE
    freeze_after: int | None = None
    shift: bool = False

    def __post_init__(self) -> None:
        if self.freeze_after is not None and self.freeze_after < 0:
            raise ValueError(f"freeze_after counts batches, it cannot be {self.freeze_after}")


@dataclass(frozen=True, slots=True)
class Norm:
    """A BatchNorm's operation and tensors, each (C,)."""

    op: ops.BatchNorm
    gamma: Tensor
    beta: Tensor
    mean: Tensor
    variance: Tensor
    shift: bool = False

    def factor(self, variance: Tensor | None = None) -> Tensor:
        """Gamma / sigma, away from 0, with the moving average or another variance."""
        found = self.slope(self.variance if variance is None else variance)
        lowest = torch.where(found < 0, -_SMALLEST_FACTOR, _SMALLEST_FACTOR)
        return torch.where(found.abs() < _SMALLEST_FACTOR, lowest, found)

    def of_batch(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance of each channel of a batch, in float32."""
        x, axes = x.float(), [axis for axis in range(x.ndim) if axis != 1]
        if self.shift:
            return shift_moments(x, axes)
        variance, mean = torch.var_mean(x, axes, correction=0)
        return mean, variance

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Those of a batch; moves the averages towards them."""
        mean, variance = self.of_batch(x)
        count = x.numel() // x.shape[1]
        with torch.no_grad():
            self.mean.lerp_(mean, self.op.momentum)
            self.variance.lerp_(variance * (count / max(1, count - 1)), self.op.momentum)
        return mean, variance

    def slope(self, variance: Tensor) -> Tensor:
        """Gamma / sqrt(variance + eps)."""
        if self.shift:
            return shift_slope(self.gamma, variance, self.op.eps)
        return self.gamma * torch.rsqrt(variance + self.op.eps)

    def apply(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Slope (x - mean) + beta."""
        slope = self.slope(variance)
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return x * slope.view(shape) + (self.beta - mean * slope).view(shape)


def along_outputs(factor: Tensor, weight: Tensor) -> Tensor:
    """A factor (O,) that broadcasts against a weight with its outputs along axis 0."""
    return factor.view(-1, *(1,) * (weight.ndim - 1))
