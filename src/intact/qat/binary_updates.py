"""What an update does to binary weights besides the optimizer (Courbariaux, Hubara et al. 2016).

Weights are clipped to [-1, 1] after each update: outside, no gradient would bring them back, and
the update has no further effect on their signs. Their learning rate is multiplied by Glorot's
factor 1 / sqrt(1.5 / (fan_in + fan_out)), and they have no weight decay, which would pull them to
where their signs flip.

    groups = binary_groups(network, lr=0.003)
    optimizer = torch.optim.Adam(groups, lr=0.003)
    clip_after_steps(network, optimizer)  # from now on: no call in the loop is needed
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from intact.qat.binary import BinaryWeight
from intact.qat.network import TrainableNetwork
from intact.qat.shift import ap2


def clip_binary_weights(network: TrainableNetwork) -> None:
    """Clips what `BinaryWeight` stands for to [-1, 1]; a loop calls it after each update."""
    with torch.no_grad():
        for weight in _binary_weights(network):
            weight.clamp_(-1, 1)


def clip_after_steps(network: TrainableNetwork, optimizer: Optimizer) -> RemovableHandle:
    """Has the optimizer clip binary weights after each of its steps, in whatever loop.

    Returns:
        What removes it: ``handle.remove()``.
    """

    def clip(*_: object) -> None:
        clip_binary_weights(network)

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
    binary = _binary_weights(network)
    known = {id(weight) for weight in binary}
    others = [p for p in network.parameters() if id(p) not in known]
    groups: list[dict[str, Any]] = [{"params": others, "lr": lr}] if others else []
    for weight in binary:
        factor = glorot_factor(weight)
        factor = float(ap2(torch.tensor(factor))) if shift else factor
        groups.append({"params": [weight], "lr": lr * factor, "weight_decay": 0.0})
    return groups


def glorot_factor(weight: Tensor) -> float:
    """1 / sqrt(1.5 / (fan_in + fan_out)), a kernel's positions counted in both."""
    fans = weight.shape[0] + weight.shape[1]
    return float((fans * weight[0, 0].numel() / 1.5) ** 0.5)


def _binary_weights(network: TrainableNetwork) -> list[nn.Parameter]:
    found = [n for n, (_, q) in network.weights.items() if isinstance(q, BinaryWeight)]
    parameters = [network.network.constant(name) for name in found]
    return [p for p in parameters if isinstance(p, nn.Parameter)]
