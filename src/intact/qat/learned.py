"""Activations whose grid begins with the first batch in training mode, and then is learned."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.qat.grid import Grid
from intact.qat.processes import as_the_first
from intact.qat.protocol import no_data


class LearnedActivation(nn.Module):
    """What such activations have in common; a method says how its grid begins and rounds.

    Args:
        format: The grid's codes.
    """

    seen: Tensor

    def __init__(self, format: Int) -> None:
        super().__init__()
        self.format = format
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))

    def forward(self, x: Tensor) -> Tensor:
        """The activation's quantized numbers; as it is before the first batch of training."""
        if self.training and not bool(self.seen):
            with torch.no_grad():
                self._begin(x.detach())
                as_the_first(self)
            self.seen.fill_(True)
        return self._quantized(x) if bool(self.seen) else x

    def params(self) -> QuantParams:
        """What was learned."""
        if not bool(self.seen):
            raise no_data()
        return self._grid().params(symmetric=False)

    @abstractmethod
    def _begin(self, x: Tensor) -> None:
        """Sets parameters and buffers from the first batch."""

    @abstractmethod
    def _quantized(self, x: Tensor) -> Tensor:
        """The grid's numbers, with the method's gradients."""

    @abstractmethod
    def _grid(self) -> Grid:
        """The present grid."""


def first_zero_point(x: Tensor, format: Int) -> int:
    """The lowest code for numbers of which none is negative, so that all codes are for them; or 0.

    Args:
        x: An activation's first batch.
        format: The codes.
    """
    return format.qmin if bool((x >= 0).all()) else 0
