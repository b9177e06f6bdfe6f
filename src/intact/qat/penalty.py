"""What quantizers want added to the loss, such as PACT's regularization of its clips."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class Penalized(Protocol):
    """A quantizer with a term of the loss."""

    def penalty(self) -> Tensor:
        """The term, a scalar with a gradient."""


def penalty(network: nn.Module) -> Tensor:
    """The sum of its quantizers' terms of the loss; 0 where none has one.

    A training loop adds it: ``loss = cross_entropy(network(x), labels) + penalty(network)``.
    """
    terms = [part.penalty() for part in network.modules() if isinstance(part, Penalized)]
    return torch.stack(terms).sum() if terms else torch.zeros(())
