"""Binary weights and neurons of BNN and QNN.

Courbariaux, Hubara et al. 2016, "Binarized neural networks" (arXiv 1602.02830); Hubara et al. 2016,
"Quantized neural networks" (arXiv 1609.07061).

    forward:   y = sign(x), with sign(0) = +1
               stochastic, in training: +1 with probability clip((x + 1) / 2, 0, 1), else -1
    backward:  dx = dy where |x| <= 1, else 0: the gradient of hard tanh, at what was binarized

There is no scale; a BatchNorm behind the layer takes care of it. The paper's neurons are stochastic
or not, its weights are not. What belongs to training them is in `low_bit_updates`: weights are
clipped to [-1, 1] after each update.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from intact.numerics.formats import Binary
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.qat.grid import hardtanh_backward, inclusive
from intact.qat.levels import Steps
from intact.qat.noise import Noise

_ONE = np.ones((), np.float32)
_INSIDE = inclusive(-1, 1)


class BinaryWeight(nn.Module):
    """A weight of -1 and +1.

    Args:
        weight: Not looked at.
        stochastic: Whether it is drawn anew in each forward pass of training.
        seed: Of the draws.
    """

    def __init__(
        self,
        weight: Tensor,  # noqa: ARG002
        stochastic: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.noise = Noise(seed) if stochastic else None

    def forward(self, x: Tensor) -> Tensor:
        """The weight's signs."""
        return binarized(x, self.noise if self.training else None)

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes; never stochastic."""
        codes = Binary().encode(x.detach().cpu().numpy())
        return ScaledTensor(codes, QuantParams(Binary(), _ONE))

    def steps(self, x: Tensor) -> Steps:
        """The grid that it lies on."""
        return Steps(torch.ones((), device=x.device), -1, 1)

    def clip(self, weight: Tensor) -> None:
        """Clips a weight to [-1, 1], in place."""
        weight.clamp_(-1, 1)


class SignActivation(nn.Module):
    """Neurons of -1 and +1; x is the pre-activation, in the paper a BatchNorm's output.

    A max-pooling stands before it: behind it, there is nothing left to choose from.

    Args:
        stochastic: Whether they are drawn in training; BatchNorm's statistics are then those of
            noisy neurons, and better estimated again before evaluation.
        seed: Of the draws.
    """

    def __init__(self, stochastic: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.format = Binary()
        self.noise = Noise(seed) if stochastic else None

    def forward(self, x: Tensor) -> Tensor:
        """The neurons' signs."""
        return binarized(x, self.noise if self.training else None)

    def params(self) -> QuantParams:
        """-1 and +1; they need no data."""
        return QuantParams(Binary(), _ONE)


def binarized(x: Tensor, noise: Noise | None) -> Tensor:
    """Signs, of which noise draws those between -1 and 1, with hard tanh's gradient."""
    up = x >= 0 if noise is None else noise(x) < (x.detach() + 1) / 2
    found: Tensor = _Sign.apply(x, up)  # type: ignore[no-untyped-call]
    return found


class _Sign(torch.autograd.Function):
    """The equations as few passes over memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        one = x.new_ones(())
        return torch.where(up, one, -one)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return hardtanh_backward(dy, x, *_INSIDE), None
