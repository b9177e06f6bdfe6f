"""Binary weights with a scale (Rastegari et al. 2016, "XNOR-Net", arXiv 1603.05279).

    forward:   y = alpha sign(x), with sign(0) = +1 and alpha = mean|x| of the n numbers of a filter
    backward:  dx = dy (1 / n + alpha where |x| <= 1, else 1 / n)

The gradient is the paper's, section 3.1: of all that alpha passes on, a number gets its own share.
The paper's binary neurons are `SignActivation`. Its scales of inputs, K, are left out: they change
with each sample and position, and it finds them to matter little beside the weights'.
"""

import torch
from torch import Tensor, nn

from intact.numerics.formats import Binary
from intact.numerics.granularity import Granularity, PerChannel
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.observers.params import SMALLEST_SCALE
from intact.qat.grid import in_groups, stretched
from intact.qat.levels import Steps
from intact.qat.straight_through import straight_through

_PER_CHANNEL = PerChannel()


class XnorWeight(nn.Module):
    """A weight of -alpha and +alpha.

    Args:
        weight: Not looked at: alpha follows it in training.
        granularity: What shares an alpha.
    """

    def __init__(
        self,
        weight: Tensor,  # noqa: ARG002
        granularity: Granularity = _PER_CHANNEL,
    ) -> None:
        super().__init__()
        self.granularity = granularity

    def forward(self, x: Tensor) -> Tensor:
        """The weight's signs times its scales."""
        alpha = self._alpha(x)
        scale = stretched(alpha, x.shape)
        share = alpha.numel() / x.numel()
        slope = torch.where(x.detach().abs() <= 1, scale, 0.0) + share
        return straight_through(torch.where(x >= 0, scale, -scale), x * slope)

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes."""
        codes = Binary().encode(x.detach().cpu().numpy())
        return ScaledTensor(codes, QuantParams(Binary(), self._alpha(x).cpu().numpy()))

    def steps(self, x: Tensor) -> Steps:
        """The grid that it lies on."""
        return Steps(self._alpha(x), -1, 1)

    def _alpha(self, x: Tensor) -> Tensor:
        parts, scales = in_groups(x.detach(), self.granularity)
        return parts.abs().mean(1).clamp_min(SMALLEST_SCALE).reshape(scales)
