"""LogQuant of QNN: powers of two (Hubara et al. 2016, arXiv 1609.07061, section 3).

    forward:   y = clip(AP2(x), -top, top),    AP2(x) = sign(x) 2**round(log2|x|)
    backward:  dx = dy

top is AP2 of the largest magnitude, so that nothing is clipped; of k bits, one is the sign and one
code is 0, which leaves the powers top, top / 2, ..., top / 2**(2**(k - 1) - 2). What rounds to less
is 0. Products with such numbers are shifts.

Weights only ship with it: `PowerOfTwo` codes. As activations they would be rounded to the nearest
power in logarithm, which the integers' requantization does not do. Gradients: k = 6.
"""

import torch
from torch import Tensor, nn

from intact.numerics.formats import PowerOfTwo
from intact.numerics.granularity import Granularity, PerTensor
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.observers.params import SMALLEST_SCALE
from intact.qat.gradients import GradientOfLevels
from intact.qat.grid import in_groups, stretched
from intact.qat.levels import Levels, Steps
from intact.qat.shift import ap2
from intact.qat.straight_through import straight_through

_PER_TENSOR = PerTensor()


class LogWeight(nn.Module):
    """A weight of zeros and powers of two.

    Args:
        weight: Not looked at: the powers follow it in training.
        format: The codes.
        granularity: What shares the largest power.
    """

    def __init__(
        self,
        weight: Tensor,  # noqa: ARG002
        format: PowerOfTwo = PowerOfTwo(4),  # noqa: B008
        granularity: Granularity = _PER_TENSOR,
    ) -> None:
        super().__init__()
        self.format, self.granularity = format, granularity

    def forward(self, x: Tensor) -> Tensor:
        """The weight's quantized numbers."""
        levels, scale = self._levels(x)
        return straight_through(levels * stretched(scale, x.shape), x)

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes."""
        levels, scale = self._levels(x)
        # |level| = 2**e has code 1 - e; frexp's exponent is e + 1.
        codes = levels.sign() * (2 - torch.frexp(levels).exponent)
        stored = codes.cpu().numpy().astype(self.format.storage)
        return ScaledTensor(stored, QuantParams(self.format, scale.cpu().numpy()))

    def _levels(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Zeros and powers of two up to 1, and what they are multiplied by."""
        parts, scales = in_groups(x.detach(), self.granularity)
        top = ap2(parts.abs().amax(1)).clamp_min(SMALLEST_SCALE).reshape(scales)
        return _powers(x, stretched(top, x.shape), self.format.lowest_exponent), top


class LogGradient(GradientOfLevels):
    """A gradient of powers of two.

    Args:
        bits: k, at least 2.
    """

    def __init__(self, bits: int = 6) -> None:
        super().__init__()
        if not 2 <= bits <= 8:
            raise ValueError(f"a gradient of powers of two has 2 to 8 bits, not {bits}")
        self.bits = bits

    def _levels(self, gradient: Tensor) -> Levels:
        lowest = 2 - 2 ** (self.bits - 1)
        top = ap2(gradient.abs().max()).clamp_min(SMALLEST_SCALE)
        values = _powers(gradient, top, lowest) * 2.0**-lowest
        return Levels(values, Steps(top * 2.0**lowest, -(2**-lowest), 2**-lowest))


def _powers(x: Tensor, top: Tensor, lowest: int) -> Tensor:
    """AP2(x) / top, where it is less than 2**lowest: 0."""
    levels = ap2(x) / top
    return torch.where(levels.abs() >= 2.0**lowest, levels, 0.0)
