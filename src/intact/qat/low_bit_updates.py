"""What updates of binary and other low-bit weights do besides the optimizer's step.

Courbariaux, Hubara et al. 2016, "Binarized neural networks" (arXiv 1602.02830): weights are clipped
to [-1, 1] after each update, since outside no gradient would bring them back and a larger magnitude
changes nothing. The learning rate of binary weights is multiplied by Glorot's factor 1 / sqrt(1.5 /
(fan_in + fan_out)), and they have no weight decay, which would pull them to where their signs flip.

    optimizer = torch.optim.Adam(binary_groups(network, lr=0.003))
    clip_after_steps(network, optimizer)  # from now on: no call in the loop is needed
"""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from intact.qat.binary import BinaryWeight
from intact.qat.network import TrainableNetwork
from intact.qat.shift import ap2


@runtime_checkable
class Clipped(Protocol):
    """A quantizer whose weight is clipped after each update."""

    def clip(self, weight: Tensor) -> None:
        """Clips it in place."""


def clip_weights(network: TrainableNetwork) -> None:
    """Clips the weights whose quantizers want it; a loop may call it after each update."""
    with torch.no_grad():
        for name, (_, quantizer) in network.weights.items():
            if isinstance(quantizer, Clipped):
                quantizer.clip(network.network.constant(name))


def clip_after_steps(network: TrainableNetwork, optimizer: Optimizer) -> RemovableHandle:
    """Has the optimizer call `clip_weights` after each of its steps, in whatever loop.

    Returns:
        What ends it: ``handle.remove()``.
    """

    def clip(*_: object) -> None:
        clip_weights(network)

    return optimizer.register_step_post_hook(clip)


def binary_groups(
    network: TrainableNetwork, lr: float, *, shift: bool = False
) -> list[dict[str, Any]]:
    """All parameters as groups for an optimizer: one a binary weight, and one of the others.

    Args:
        network: With binary weights.
        lr: The learning rate of the others.
        shift: Whether Glorot's factor is rounded to a power of two, as in shift-based training.
    """
    names = [name for name, (_, q) in network.weights.items() if isinstance(q, BinaryWeight)]
    binary = [network.network.constant(name) for name in names]
    known = {id(weight) for weight in binary}
    others = [p for p in network.parameters() if id(p) not in known]
    groups: list[dict[str, Any]] = [{"params": others, "lr": lr}] if others else []
    for weight in binary:
        assert isinstance(weight, nn.Parameter)
        factor = glorot_factor(weight)
        factor = float(ap2(torch.tensor(factor))) if shift else factor
        groups.append({"params": [weight], "lr": lr * factor, "weight_decay": 0.0})
    return groups


def glorot_factor(weight: Tensor) -> float:
    """1 / sqrt(1.5 / (fan_in + fan_out)), a kernel's positions counted in both."""
    fans = weight.shape[0] + weight.shape[1]
    return float((fans * weight[0, 0].numel() / 1.5) ** 0.5)
