"""Quantizers that change from epoch to epoch: a training loop tells them which one begins."""

from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class ByEpoch(Protocol):
    """A quantizer with a schedule."""

    def set_epoch(self, epoch: int) -> None:
        """An epoch begins.

        Args:
            epoch: Of this run, from 0.
        """


def set_epoch(network: nn.Module, epoch: int) -> None:
    """Tells all quantizers of a network that an epoch, counted from 0, begins."""
    for part in network.modules():
        if isinstance(part, ByEpoch):
            part.set_epoch(epoch)
