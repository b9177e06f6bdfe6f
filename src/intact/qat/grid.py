"""The grid of integer codes in torch, equal to that of `QuantParams` to the last bit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intact.numerics.formats import Int
from intact.numerics.granularity import Granularity, scale_shape
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.observers.params import SMALLEST_SCALE
from intact.qat.straight_through import straight_through

hardtanh_backward = torch.ops.aten.hardtanh_backward  # dy where low < x < high, else 0


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

    def ends(self) -> tuple[float, float]:
        """The same as numbers, where all have one zero point."""
        offset = float(self.zero_point.reshape(-1)[0])
        return self.format.qmin - offset, self.format.qmax - offset

    def real(self, levels: Tensor) -> Tensor:
        """The numbers that levels mean."""
        return levels * stretched(self.scale, levels.shape)

    def passing(self, x: Tensor, top: int, noise: Tensor | None = None) -> Tensor:
        """An activation's numbers; the gradient passes from the lowest level to `top` codes higher.

        The zero point is one number, and the scale has no gradient.
        """
        low, high = self.ends()
        found: Tensor = _Passing.apply(  # type: ignore[no-untyped-call]
            x, self.scale, (low, high), inclusive(low, low + top, slack=2), noise
        )
        return found

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


class _Passing(torch.autograd.Function):
    """levels * scale, with the gradient where x / scale lies between the ends.

    Few passes over memory: on activations, training's time depends on them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor,
        levels: tuple[float, float],
        ends: tuple[float, float],
        noise: Tensor | None,
    ) -> Tensor:
        v = x / scale
        ctx.save_for_backward(v)
        ctx.ends = ends
        return (v if noise is None else v + noise).round().clamp_(*levels) * scale

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None, None]:
        (v,) = ctx.saved_tensors
        return hardtanh_backward(dy, v, *ctx.ends), None, None, None, None


def inclusive(low: float, high: float, *, slack: int = 1) -> tuple[float, float]:
    """What to give `hardtanh_backward` so that dy passes at both ends, too.

    Args:
        low: The lower end.
        high: The upper end.
        slack: By how many float32 numbers they lie further out; 2 where x is a quotient, which is
            rounded at the ends themselves.
    """
    ends = np.float32(low), np.float32(high)
    for _ in range(slack):
        ends = np.nextafter(ends[0], np.float32(-np.inf)), np.nextafter(ends[1], np.float32(np.inf))
    return float(ends[0]), float(ends[1])


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


def in_groups(x: Tensor, granularity: Granularity) -> tuple[Tensor, tuple[int, ...]]:
    """The numbers of each scale, (scales, numbers), and the scales' shape."""
    scales = scale_shape(tuple(x.shape), granularity)
    split = [n for s, size in zip(scales, x.shape, strict=True) for n in (s, size // s)]
    parts = x.reshape(split).permute(*range(0, len(split), 2), *range(1, len(split), 2))
    return parts.reshape(int(np.prod(scales)), -1), scales
