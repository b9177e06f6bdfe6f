"""DoReFa-Net's gradients of k bits (Zhou et al. 2016, arXiv 1606.06160, equation 12).

Each sample's gradient g is rounded, with its own m = max|g| over everything but the batch:

    y = 2 m (q(clip(g / (2 m) + 1/2 + N, 0, 1)) - 1/2),    q(x) = round(x (2**k - 1)) / (2**k - 1)

N is uniform in (-1/2, 1/2) / (2**k - 1), anew for each number. So the mean of y is g; without noise
small gradients, which are most of them, would all round to the same two values next to 0.
"""

import torch
from torch import Tensor, nn

from intact.qat.levels import Levels, Steps
from intact.qat.noise import Noise


class DorefaGradient(nn.Module):
    """A quantizer of the gradients that arrive at a layer's output.

    Args:
        bits: Bits of a gradient.
        seed: Of the noise.
    """

    def __init__(self, bits: int = 4, seed: int = 0) -> None:
        super().__init__()
        if not 1 <= bits <= 16:
            raise ValueError(f"gradients have 1 to 16 bits, not {bits}")
        self.bits = bits
        self.noise = Noise(seed)

    def forward(self, gradient: Tensor) -> Tensor:
        """The gradient on 2**k levels, unbiased; the first axis is the batch."""
        return self.levels(gradient).real().to(gradient.dtype)

    def levels(self, gradient: Tensor) -> Levels:
        """The same as levels, odd numbers, with a step for each sample."""
        highest = (1 << self.bits) - 1
        largest = gradient.reshape(len(gradient), -1).abs().amax(1)
        largest = largest.view(-1, *(1,) * (gradient.ndim - 1))
        unit = gradient / torch.where(largest > 0, largest, 1.0)
        noise: Tensor = self.noise(gradient) - 0.5
        steps = (unit + 1) / 2 * highest + noise
        values = 2 * steps.round().clamp(0, highest) - highest
        return Levels(values, Steps(largest / highest, -highest, highest))

    def extra_repr(self) -> str:
        """How many bits."""
        return f"bits={self.bits}"
