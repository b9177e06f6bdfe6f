"""Trained ternary quantization (Zhu, Han, Mao, Dally 2017, arXiv 1612.01064).

    forward:   y = p where x > delta, -n where x < -delta, else 0,    delta = 0.05 max|x|
    backward:  dp = sum of dy where y is p,    dn = -(sum of dy where y is -n)
               dx = p dy where y is p, n dy where y is -n, else dy

The levels p and n are learned; they begin at the mean magnitude of what they stand for.

Integer kernels want a grid of even steps, and {-n, 0, p} is none unless p = n. So the larger of p
and n is code 127 of an 8-bit grid and the other one is rounded to a code, which moves it by at most
1/254 of the larger; the gradient passes through that rounding. A weight has three codes at most.
"""

import torch
from torch import Tensor, nn

from intact.numerics.formats import Int
from intact.numerics.granularity import Granularity, PerTensor
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.observers.params import SMALLEST_SCALE
from intact.qat.grid import in_groups, positive, stretched
from intact.qat.straight_through import straight_through

_PER_TENSOR = PerTensor()
_CODES = Int(8, narrow=True)


class TtqWeight(nn.Module):
    """A weight of -n, 0 and p.

    Args:
        weight: The weight before training; from it the levels begin.
        granularity: What shares the two levels; the paper: one layer.
        threshold: delta in units of max|x|.
    """

    def __init__(
        self, weight: Tensor, granularity: Granularity = _PER_TENSOR, threshold: float = 0.05
    ) -> None:
        super().__init__()
        self.granularity, self.threshold = granularity, threshold
        signs = self._signs(weight)
        self.positive = nn.Parameter(_mean(weight, signs == 1, granularity))
        self.negative = nn.Parameter(_mean(weight, signs == -1, granularity))

    def forward(self, x: Tensor) -> Tensor:
        """The weight's ternary numbers."""
        signs = self._signs(x)
        scale, levels = self._grid(signs)
        up, down = signs == 1, signs == -1
        p, n = (stretched(level, x.shape) for level in (self.positive, self.negative))
        slope = torch.where(up, p, torch.where(down, n, 1.0)).detach()
        learned = torch.where(up, p, 0.0) - torch.where(down, n, 0.0)
        return straight_through(levels * stretched(scale, x.shape), x * slope + learned)

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes."""
        scale, levels = self._grid(self._signs(x))
        codes = levels.cpu().numpy().astype(_CODES.storage)
        return ScaledTensor(codes, QuantParams(_CODES, scale.cpu().numpy()))

    def _signs(self, x: Tensor) -> Tensor:
        parts, scales = in_groups(x.detach().abs(), self.granularity)
        delta = stretched((self.threshold * parts.amax(1)).reshape(scales), x.shape)
        return x.detach().sign() * (x.detach().abs() > delta)

    def _grid(self, signs: Tensor) -> tuple[Tensor, Tensor]:
        """The scales, and each number's code."""
        p, n = (positive(level).detach() for level in (self.positive, self.negative))
        scale = (torch.maximum(p, n) / _CODES.qmax).clamp_min(SMALLEST_SCALE)
        high, low = ((level / scale).round().clamp_max(_CODES.qmax) for level in (p, n))
        up, down = (stretched(codes, signs.shape) for codes in (high, low))
        return scale, torch.where(signs == 1, up, torch.where(signs == -1, -down, 0.0))


def _mean(weight: Tensor, where: Tensor, granularity: Granularity) -> Tensor:
    """The mean magnitude of some of the numbers of each scale; 1 where there are none."""
    chosen, scales = in_groups(torch.where(where, weight.detach().abs(), 0.0), granularity)
    count, _ = in_groups(where, granularity)
    mean = chosen.sum(1) / count.sum(1).clamp_min(1)
    return torch.where(mean > 0, mean, 1.0).reshape(scales)
