"""Quantized distillation's weights: uniform levels in buckets.

Polino et al. 2018, "Model compression via distillation and quantization", sections 2 and 3. Each
bucket of 256 consecutive weights is scaled by its range, alpha = max - min and beta = min, to 0..1
and rounded to s = 2**bits levels:

    forward:   q = alpha round((s - 1) u) / (s - 1) + beta,    u = (w - beta) / alpha
    backward:  dw = dq

The gradient is taken at the quantized weights and applied to the float ones as it is. With
`through_range` it also counts that the bucket's largest and smallest weight move its levels,

    dw = dq + sum over the bucket of dq (q' - u) dalpha/dw,    q' = (q - beta) / alpha,

which is the whole derivative with round(u) straight through. Train it with a `SoftTargets` loss.

Buckets have no zero point on a grid of integers: what ships is a codebook, and the layer computes
in float. Scales for each output channel that run in integers are `MinMaxWeight`'s.
"""

import torch
from torch import Tensor, nn

from intact.numerics.qtensor import CodebookTensor
from intact.qat.buckets import Buckets, check_bucket
from intact.qat.straight_through import straight_through


class BucketedWeight(nn.Module):
    """A weight on uniform levels between the ends of each bucket.

    Args:
        weight: Not looked at: the ranges follow it in training.
        bits: Of a level's number.
        bucket: Weights that share a range.
        through_range: Whether the gradient also goes through the ends of the range.
    """

    def __init__(
        self,
        weight: Tensor,  # noqa: ARG002
        bits: int = 4,
        bucket: int = 256,
        through_range: bool = False,
    ) -> None:
        super().__init__()
        check_bucket(bits, bucket)
        self.bucket, self.through_range = bucket, through_range
        self._highest = (1 << bits) - 1

    def forward(self, x: Tensor) -> Tensor:
        """The weight's quantized numbers."""
        found = Buckets.of(x, self.bucket)
        levels = self._levels(found)
        real = found.joined(found.codebook(self._points(x)).gather(1, levels))
        if not self.through_range:
            return straight_through(real, x)
        error = (levels / self._highest - found.scaled()).detach()
        return straight_through(real, found.joined(found.real + error * found.alpha))

    def freeze(self, x: Tensor) -> CodebookTensor:
        """The weight as codes."""
        found = Buckets.of(x.detach(), self.bucket)
        return found.frozen(found.codebook(self._points(x)), self._levels(found))

    def _points(self, like: Tensor) -> Tensor:
        return torch.linspace(0, 1, self._highest + 1, device=like.device)

    def _levels(self, found: Buckets) -> Tensor:
        levels = (found.scaled().detach() * self._highest).round()
        return levels.clamp(0, self._highest).long()
