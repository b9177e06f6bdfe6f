"""The grid of integer codes in torch, equal to that of `QuantParams` to the last bit."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intact.numerics.formats import Int
from intact.numerics.granularity import Granularity, scale_shape
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.observers.params import SMALLEST_SCALE
from intact.qat.straight_through import straight_through


@dataclass(frozen=True, slots=True)
class Grid:
    """scale * (code - zero_point), with scales that divide a tensor's axes."""

    format: Int
    scale: Tensor  # of any shape that `stretched` takes
    zero_point: Tensor  # float, whole numbers, of scale's shape

    @classmethod
    def of(cls, params: QuantParams, like: Tensor) -> "Grid":
        """That of parameters, on a tensor's device."""
        assert isinstance(params.format, Int)
        scale = torch.as_tensor(params.scale, device=like.device)
        offset = torch.as_tensor(params.offset, device=like.device).to(scale.dtype)
        return cls(params.format, scale, offset)

    def levels(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Nearest codes minus zero points, as floats; ties to even, out of range saturates.

        Args:
            x: The real numbers.
            noise: In steps, added before rounding; -1/2 to below 1/2 leaves the mean as it is.
        """
        low, high = self.bounds(x)
        steps = x.detach() / stretched(self.scale, x.shape)
        rounded = (steps if noise is None else steps + noise).round()
        return torch.minimum(torch.maximum(rounded, low), high)

    def bounds(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The lowest and the highest level; they broadcast against x."""
        offset = stretched(self.zero_point, x.shape)
        return self.format.qmin - offset, self.format.qmax - offset

    def real(self, levels: Tensor) -> Tensor:
        """The numbers that levels mean."""
        return levels * stretched(self.scale, levels.shape)

    def params(self, *, symmetric: bool) -> QuantParams:
        """The same for the rest of intact; a symmetric one has no zero point."""
        scale = self.scale.detach().cpu().numpy()
        if symmetric:
            return QuantParams(self.format, scale)
        return QuantParams(self.format, scale, self.zero_point.cpu().numpy().astype(np.int64))

    def codes(self, x: Tensor, *, symmetric: bool) -> ScaledTensor:
        """A tensor as codes."""
        found = self.levels(x) + stretched(self.zero_point, x.shape)
        codes = found.detach().cpu().numpy().astype(self.format.storage)
        return ScaledTensor(codes, self.params(symmetric=symmetric))


def stretched(scale: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Repeats grouped axes until `scale` broadcasts against a tensor of `shape`; differentiable."""
    for axis, (groups, size) in enumerate(zip(scale.shape, shape, strict=False)):
        if groups not in (1, size):
            scale = scale.repeat_interleave(size // groups, dim=axis)
    return scale


def nonzero(step: Tensor) -> Tensor:
    """A first step or threshold; 1 for a tensor of zeros."""
    return torch.where(step > 0, step, torch.ones_like(step))


def positive(step: Tensor) -> Tensor:
    """A learned step, below the smallest scale taken as that; the gradient passes."""
    return straight_through(step.clamp_min(SMALLEST_SCALE), step)


def first_zero_point(x: Tensor, format: Int) -> int:
    """The lowest code for numbers of which none is negative, so that all codes are for them; or 0.

    Args:
        x: An activation's first batch.
        format: The codes.
    """
    return format.qmin if bool((x >= 0).all()) else 0


def in_groups(x: Tensor, granularity: Granularity) -> tuple[Tensor, tuple[int, ...]]:
    """The numbers of each scale, (scales, numbers), and the scales' shape."""
    scales = scale_shape(tuple(x.shape), granularity)
    split = [n for s, size in zip(scales, x.shape, strict=True) for n in (s, size // s)]
    parts = x.reshape(split).permute(*range(0, len(split), 2), *range(1, len(split), 2))
    return parts.reshape(int(np.prod(scales)), -1), scales
