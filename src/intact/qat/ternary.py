"""Ternary weight networks (Li, Zhang, Liu 2016, "Ternary weight networks", arXiv 1605.04711).

    forward:   y = alpha where x > delta, -alpha where x < -delta, else 0
               delta = 0.7 mean|x|,    alpha = mean of |x| where |x| > delta
    backward:  dx = dy

delta and alpha are about those of the least squared error; they follow the weight in training.
"""

from torch import Tensor, nn

from intact.numerics.formats import Ternary
from intact.numerics.granularity import Granularity, PerTensor
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.observers.params import SMALLEST_SCALE
from intact.qat.grid import in_groups, stretched
from intact.qat.levels import Steps
from intact.qat.straight_through import straight_through

_PER_TENSOR = PerTensor()


class TernaryWeight(nn.Module):
    """A weight of -alpha, 0 and alpha.

    Args:
        weight: Not looked at: the scale follows it in training.
        granularity: What shares a scale; the paper: one layer.
        threshold: delta in units of mean|x|.
    """

    def __init__(
        self,
        weight: Tensor,  # noqa: ARG002
        granularity: Granularity = _PER_TENSOR,
        threshold: float = 0.7,
    ) -> None:
        super().__init__()
        self.granularity, self.threshold = granularity, threshold

    def forward(self, x: Tensor) -> Tensor:
        """The weight's ternary numbers."""
        levels, alpha = self._ternary(x)
        return straight_through(levels * stretched(alpha, x.shape), x)

    def freeze(self, x: Tensor) -> ScaledTensor:
        """The weight as codes."""
        levels, alpha = self._ternary(x)
        codes = levels.cpu().numpy().astype(Ternary().storage)
        return ScaledTensor(codes, QuantParams(Ternary(), alpha.cpu().numpy()))

    def steps(self, x: Tensor) -> Steps:
        """The grid that it lies on."""
        return Steps(self._ternary(x)[1], -1, 1)

    def _ternary(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """-1, 0 and 1 of x's shape, and the scales."""
        parts, scales = in_groups(x.detach().abs(), self.granularity)
        delta = self.threshold * parts.mean(1, keepdim=True)
        above = parts > delta
        count = above.sum(1).clamp_min(1)
        alpha = ((parts * above).sum(1) / count).clamp_min(SMALLEST_SCALE)
        beyond = x.detach().abs() > stretched(delta.reshape(scales), x.shape)
        return x.detach().sign() * beyond, alpha.reshape(scales)
