"""DoReFa-Net: weights, activations and gradients of k bits (Zhou et al. 2016, arXiv 1606.06160).

With q(x) = round(x (2**k - 1)) / (2**k - 1), whose gradient is 1, for x in [0, 1]:

    weights      forward:   y = 2 q(tanh w / (2 m) + 1/2) - 1,    m = max|tanh w| of the layer
                 backward:  dw = dy (1 - tanh(w)**2) / m
    of 1 bit     forward:   y = sign(w) mean|w| of the layer, with sign(0) = +1
                 backward:  dw = dy
    activations  forward:   y = q(clip(x, 0, 1))
                 backward:  dx = dy where 0 <= x <= 1, else 0

No gradient passes through m and mean|w|. A weight of k > 1 bits lies in [-1, 1] and is never 0,
whatever the size of w: a BatchNorm behind the layer takes care of it. Activations follow a bounded
function or a ReLU; the paper keeps the first layer and the last one float.
"""

from typing import assert_never

import numpy as np
import torch
from torch import Tensor, nn

from intact.numerics.formats import Binary, Int, MidRise
from intact.numerics.integers import integer_range
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.observers.params import SMALLEST_SCALE
from intact.qat.grid import Grid
from intact.qat.levels import Steps
from intact.qat.straight_through import straight_through


class DorefaWeight(nn.Module):
    """A weight of 1 to 15 bits.

    Args:
        weight: Not looked at: the grid follows it in training.
        bits: Bits of a weight. More than 7 are stored in one more, as odd integers.
    """

    def __init__(self, weight: Tensor, bits: int = 1) -> None:  # noqa: ARG002
        super().__init__()
        if not 1 <= bits <= 15:
            raise ValueError(
                f"a DorefaWeight has 1 to 15 bits, not {bits}; 32 bits are no weight in the rule"
            )
        self._highest = (1 << bits) - 1
        self.format = _format(bits)

    def forward(self, x: Tensor) -> Tensor:
        """The weight's quantized numbers."""
        scale = self._scale(x)
        if isinstance(self.format, Binary):
            return straight_through(torch.where(x >= 0, scale, -scale), x)
        values = 2 * self._steps(x) - self._highest
        return straight_through(values * scale, _stretched(x))

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes."""
        x = x.detach()
        match self.format:
            case Binary():
                codes = x >= 0
            case MidRise():
                codes = self._steps(x)
            case Int():
                codes = 2 * self._steps(x) - self._highest
            case _:
                assert_never(self.format)
        params = QuantParams(self.format, self._scale(x).cpu().numpy())
        return ScaledTensor(codes.cpu().numpy().astype(self.format.storage), params)

    def steps(self, x: Tensor) -> Steps:
        """The grid that it lies on."""
        low, high = integer_range(self.format)
        return Steps(self._scale(x), low, high)

    def _scale(self, x: Tensor) -> Tensor:
        if isinstance(self.format, Binary):
            return x.detach().abs().mean().clamp_min(SMALLEST_SCALE)
        return x.new_tensor(1 / self._highest)

    def _steps(self, x: Tensor) -> Tensor:
        """Which level, 0 to 2**k - 1."""
        return ((_stretched(x.detach()) / 2 + 0.5) * self._highest).round()

    def extra_repr(self) -> str:
        """The grid."""
        return str(self.format)


class DorefaActivation(nn.Module):
    """An activation of 0 to 1, which has nothing to learn and needs no data.

    Args:
        format: The codes, those of k bits.
    """

    def __init__(self, format: Int = Int(2)) -> None:  # noqa: B008
        super().__init__()
        self.format = format

    def forward(self, x: Tensor) -> Tensor:
        """The activation's quantized numbers."""
        return Grid.of(self.params(), x).passing(x, self.format.qmax - self.format.qmin)

    def params(self) -> QuantParams:
        """Steps of 1 / (2**k - 1) from 0, the lowest code."""
        lowest, highest = self.format.qmin, self.format.qmax
        scale = np.asarray(1 / (highest - lowest), np.float32)
        return QuantParams(self.format, scale, np.asarray(lowest))


def _format(bits: int) -> Binary | MidRise | Int:
    if bits == 1:
        return Binary()
    return MidRise(bits) if bits <= 7 else Int(bits + 1)


def _stretched(x: Tensor) -> Tensor:
    """tanh(x), divided by the largest: -1 to 1."""
    bounded = x.tanh()
    largest = bounded.detach().abs().max()
    return bounded / torch.where(largest > 0, largest, 1.0)
