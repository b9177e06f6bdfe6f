"""Reproducible random weights under which activations keep a sane range through any depth."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

Example = Callable[[torch.Generator], tuple[Tensor, ...]]

_CALIBRATION_EXAMPLES = 8


def seeded(build: Callable[[], nn.Module], example: Example, seed: int = 0) -> nn.Module:
    """Build a module with random weights and true batch statistics, in eval mode.

    The global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        module = build()
        for part in module.modules():
            _randomize(part)
        _set_running_statistics(module, example)
    return module.eval()


def _randomize(part: nn.Module) -> None:
    """Weights that keep the variance; scales, biases and slopes that do something."""
    match part:
        case _ConvNd():
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
        case nn.Linear():
            nn.init.kaiming_normal_(part.weight, nonlinearity="linear")
        case _BatchNorm() | nn.LayerNorm() | nn.GroupNorm():
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.2)
        case nn.MultiheadAttention():
            nn.init.normal_(part.in_proj_bias, std=0.2)
        case nn.PReLU():
            nn.init.uniform_(part.weight, 0.05, 0.4)
        case _:
            pass


def _set_running_statistics(module: nn.Module, example: Example) -> None:
    """Set every batch norm's running mean and variance to those of random examples."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    if not norms:
        return
    generator = torch.Generator().manual_seed(1)
    batches = zip(*(example(generator) for _ in range(_CALIBRATION_EXAMPLES)), strict=True)
    momenta = [norm.momentum for norm in norms]
    module.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    module(*(torch.cat(batch) for batch in batches))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
