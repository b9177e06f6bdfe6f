"""INQ: weights become powers of two, share by share, while the others are trained on.

Zhou et al. 2017, "Incremental network quantization: towards lossless CNNs with low-precision
weights" (arXiv 1702.03044).

    grid:      0 and +-2**n1, +-2**(n1 - 1), ..., with n1 = floor(log2(4 max|w| / 3))
    forward:   held weights: their power b, where (a + b) / 2 <= |w| < 3 b / 2 and a is the next
               smaller magnitude of the grid; the others: w as it is
    backward:  dw = dy of the others, 0 of held ones

In the first batch of training the largest half of a layer's weights is held; when the others have
made up for it, the training loop calls `advance_inq`, and the largest of the rest are held too: 75,
87.5 and 100 percent in all. What is held no longer moves, whatever the optimizer does. In
evaluation, and when frozen, all are on the grid; before the last share, that is a preview.

The grid is that of the format `PowerOfTwo`, which has 2**(bits - 1) - 1 magnitudes; the paper's has
2**(bits - 2), since one of its bits is for zero alone.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from intact.numerics.formats import PowerOfTwo
from intact.numerics.granularity import Granularity, PerTensor
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.qat.grid import in_groups, stretched

_PER_TENSOR = PerTensor()
_SHARES = (0.5, 0.75, 0.875, 1.0)


class InqWeight(nn.Module):
    """A weight of which a growing share is held at powers of two.

    Args:
        weight: The trained weight.
        bits: Bits of the grid `PowerOfTwo`.
        granularity: What shares a largest power.
        shares: How much is held in all, at first and after each `advance`; the last is all.
    """

    scale: Tensor
    held: Tensor
    codes: Tensor
    stage: Tensor
    done: Tensor

    def __init__(
        self,
        weight: Tensor,
        bits: int = 5,
        granularity: Granularity = _PER_TENSOR,
        shares: Sequence[float] = _SHARES,
    ) -> None:
        super().__init__()
        if sorted(set(shares)) != list(shares) or not 0 < shares[0] <= shares[-1] == 1:
            raise ValueError(f"shares must grow from above 0 to 1, not {tuple(shares)}")
        self.format, self.granularity, self.shares = PowerOfTwo(bits), granularity, tuple(shares)
        self.register_buffer("scale", _largest_power(weight.detach(), granularity))
        self.register_buffer("held", torch.zeros_like(weight, dtype=torch.bool))
        self.register_buffer("codes", torch.zeros_like(weight, dtype=torch.int8))
        self.register_buffer("stage", torch.zeros((), dtype=torch.int64))
        self.register_buffer("done", torch.zeros((), dtype=torch.int64))  # how many shares are held

    def forward(self, x: Tensor) -> Tensor:
        """Powers of two where they are held, or everywhere in evaluation; else the weight."""
        if not self.training:
            return self._real(self._codes(x.detach()), self._scale(x.detach()))
        if int(self.done) <= int(self.stage):
            self._hold(x.detach())
        return torch.where(self.held, self._real(self.codes, self.scale), x)

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes, those that are not held yet included."""
        x = x.detach()
        params = QuantParams(self.format, self._scale(x).cpu().numpy())
        return ScaledTensor(self._codes(x).cpu().numpy(), params)

    @property
    def share(self) -> float:
        """How much is held from the next batch on."""
        return self.shares[int(self.stage)]

    def advance(self) -> None:
        """Holds the next share from the next batch on."""
        self.stage.fill_(min(int(self.stage) + 1, len(self.shares) - 1))

    def _hold(self, x: Tensor) -> None:
        self.scale.copy_(self._scale(x))
        size = x.abs().masked_fill(self.held, torch.inf).flatten()
        _, largest = size.topk(round(self.share * size.numel()))
        held = torch.zeros_like(size, dtype=torch.bool)
        held[largest] = True
        self.codes.copy_(self._codes(x))
        self.held.copy_(held.view(x.shape))
        self.done.copy_(self.stage + 1)

    def _scale(self, x: Tensor) -> Tensor:
        """Fixed when the first share is."""
        return self.scale if int(self.done) else _largest_power(x, self.granularity)

    def _codes(self, x: Tensor) -> Tensor:
        found = _nearest(x / stretched(self._scale(x), x.shape), self.format)
        return torch.where(self.held, self.codes, found)

    def _real(self, codes: Tensor, scale: Tensor) -> Tensor:
        powers = torch.exp2(1.0 - codes.abs()) * codes.sign()
        return powers * stretched(scale, codes.shape)


def advance_inq(network: nn.Module) -> float:
    """Holds the next share of each INQ weight of a network; what is held now, of the least."""
    weights = [part for part in network.modules() if isinstance(part, InqWeight)]
    if not weights:
        raise ValueError("the network has no InqWeight")
    for weight in weights:
        weight.advance()
    return min(weight.share for weight in weights)


def _largest_power(x: Tensor, granularity: Granularity) -> Tensor:
    """2**floor(log2(4 max|x| / 3)) of each group; 1 for zeros."""
    parts, scales = in_groups(x, granularity)
    largest = parts.abs().amax(1).reshape(scales).cpu().numpy().astype(np.float64)
    _, exponent = np.frexp(4 * largest / 3)
    power = np.where(largest > 0, np.ldexp(1.0, np.clip(exponent - 1, -96, 126)), 1.0)
    return torch.from_numpy(power.astype(np.float32)).to(x.device)


def _nearest(x: Tensor, format: PowerOfTwo) -> Tensor:
    """Codes of the nearest powers, ties to the larger, as int8."""
    mantissa, exponent = torch.frexp(x.abs())  # mantissa in [1/2, 1)
    lowest = format.lowest_exponent
    power = torch.where(mantissa >= 0.75, exponent, exponent - 1).clamp(lowest, 0)
    codes = (1 - power) * x.sign()
    return torch.where(x.abs() >= 2.0 ** (lowest - 1), codes, 0.0).to(torch.int8)
