"""Differentiable quantization: the points that weights are rounded to are learned.

Polino et al. 2018, "Model compression via distillation and quantization", section 4. A tensor has
K = 2**bits points p, which begin at the quantiles of its weights. In each group i of weights that
share alpha_i and beta_i, a weight becomes the nearest point p_j:

    forward:   q = alpha_i p_j + beta_i
    backward:  dp_j = sum of alpha_i dq over the weights of point j
               dw = dq

The paper trains the points alone: leave the weights out of the optimizer for that.

`LearnedPointsWeight` is the paper's: groups are buckets of 256 consecutive weights, scaled by their
range to 0..1. What ships is a codebook, and the layer computes in float.

`IntegerPointsWeight` runs in integers: groups are output channels, scaled by their largest |w| to
-1..1 (beta = 0), and a point is rounded to a multiple of 1 / qmax, straight through. The layer's
codes are those of `format`, but only K of them occur.
"""

import torch
from torch import Tensor, nn

from intact.numerics.formats import Int
from intact.numerics.granularity import Granularity, PerChannel
from intact.numerics.qtensor import CodebookTensor, ScaledTensor
from intact.observers import choose_params
from intact.qat.buckets import Buckets, check_bucket
from intact.qat.grid import Grid, in_groups, stretched
from intact.qat.straight_through import straight_through

_PER_CHANNEL = PerChannel()


class LearnedPointsWeight(nn.Module):
    """A weight on learned points between the ends of each bucket.

    Args:
        weight: The weight before training: from its quantiles the points begin.
        bits: Of a point's number.
        bucket: Weights that share a range.
    """

    def __init__(self, weight: Tensor, bits: int = 4, bucket: int = 256) -> None:
        super().__init__()
        check_bucket(bits, bucket)
        self.bucket = bucket
        found = Buckets.of(weight.detach(), bucket)
        self.points = nn.Parameter(_quantiles(found.joined(found.scaled()), bits))

    def forward(self, x: Tensor) -> Tensor:
        """The weight's quantized numbers."""
        found = Buckets.of(x.detach(), self.bucket)
        points = self.points.sort().values
        real = found.codebook(points).gather(1, _nearest(found.scaled(), points))
        return straight_through(found.joined(real), x + found.joined(real))

    def freeze(self, x: Tensor) -> CodebookTensor:
        """The weight as codes."""
        found = Buckets.of(x.detach(), self.bucket)
        points = self.points.sort().values
        return found.frozen(found.codebook(points), _nearest(found.scaled(), points))


class IntegerPointsWeight(nn.Module):
    """A weight on learned points that are integer codes.

    Args:
        weight: The weight before training: from its quantiles the points begin.
        bits: Of a point's number.
        format: The codes that points are rounded to.
        granularity: What shares a scale.
    """

    def __init__(
        self,
        weight: Tensor,
        bits: int = 4,
        format: Int = Int(8, narrow=True),  # noqa: B008
        granularity: Granularity = _PER_CHANNEL,
    ) -> None:
        super().__init__()
        if not 1 <= bits < format.bits:
            raise ValueError(f"points of {format} have 1 to {format.bits - 1} bits, not {bits}")
        self.format, self.granularity = format, granularity
        self.points = nn.Parameter(_quantiles(self._scaled(weight.detach()), bits))

    def forward(self, x: Tensor) -> Tensor:
        """The weight's quantized numbers."""
        points = self.points.sort().values
        grid, codes = self._grid(x.detach()), self._codes(points)
        chosen = _nearest(self._scaled(x.detach()), codes / self.format.qmax)
        alpha = stretched(grid.scale, x.shape) * self.format.qmax
        return straight_through(grid.real(codes[chosen]), x + alpha * points[chosen])

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes."""
        codes = self._codes(self.points.sort().values)
        chosen = codes[_nearest(self._scaled(x.detach()), codes / self.format.qmax)]
        params = self._grid(x.detach()).params(symmetric=True)
        return ScaledTensor(chosen.cpu().numpy().astype(self.format.storage), params)

    def _grid(self, x: Tensor) -> Grid:
        parts, scales = in_groups(x, self.granularity)
        largest = parts.abs().amax(1).reshape(scales).cpu().numpy()
        return Grid.of(choose_params(-largest, largest, self.format, symmetric=True), x)

    def _scaled(self, x: Tensor) -> Tensor:
        """The weights in -1..1."""
        return x / (stretched(self._grid(x).scale, x.shape) * self.format.qmax)

    def _codes(self, points: Tensor) -> Tensor:
        rounded = (points.detach() * self.format.qmax).round()
        return rounded.clamp(self.format.qmin, self.format.qmax)


def _quantiles(x: Tensor, bits: int) -> Tensor:
    """The quantiles 0, 1 / (K - 1), ..., 1."""
    ordered = x.reshape(-1).sort().values
    places = torch.linspace(0, ordered.numel() - 1, 2**bits, device=x.device)
    below, share = places.floor().long(), places.frac()
    above = (below + 1).clamp_max(ordered.numel() - 1)
    return torch.lerp(ordered[below], ordered[above], share)


def _nearest(x: Tensor, points: Tensor) -> Tensor:
    """The number of the nearest of sorted points; of the lower one in the middle of two."""
    rising = points.detach()
    return torch.bucketize(x.contiguous(), (rising[1:] + rising[:-1]) / 2)
