"""What gradients of levels have in common."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from intact.qat.levels import Levels
from intact.qat.shift import single


class GradientOfLevels(nn.Module):
    """A gradient on a grid; one that is not finite stays so, for a loss scaler to see."""

    def forward(self, gradient: Tensor) -> Tensor:
        """The gradient's quantized numbers."""
        wide = single(gradient)
        rounded = self._levels(wide).real()
        return torch.where(gradient.isfinite(), rounded, wide).to(gradient.dtype)

    def levels(self, gradient: Tensor) -> Levels | None:
        """The same as levels; None if it is not finite."""
        return self._levels(single(gradient)) if bool(gradient.isfinite().all()) else None

    @abstractmethod
    def _levels(self, gradient: Tensor) -> Levels:
        """Of a gradient in float32."""
