"""Buckets of consecutive numbers, each scaled to 0..1 (Polino et al. 2018, section 2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from intact.numerics.qtensor import CodebookTensor

_NO_RANGE = 1e-10  # below, a bucket holds one number only, and is scaled by 1


@dataclass(frozen=True, slots=True)
class Buckets:
    """real = alpha * scaled + beta, in each bucket; they share the gradient of the tensor."""

    real: Tensor  # (buckets, size); the last bucket is filled up with the last number
    alpha: Tensor  # (buckets, 1): largest minus smallest number
    beta: Tensor  # (buckets, 1): smallest number
    shape: tuple[int, ...]  # of the tensor

    @classmethod
    def of(cls, x: Tensor, size: int) -> "Buckets":
        """The numbers of a tensor in the order in which they lie; one bucket if it is smaller."""
        flat = x.reshape(-1)
        size = min(size, flat.numel())
        real = torch.cat([flat, flat[-1:].expand(-flat.numel() % size)]).reshape(-1, size)
        beta = real.amin(1, keepdim=True)
        alpha = real.amax(1, keepdim=True) - beta
        return cls(real, torch.where(alpha < _NO_RANGE, 1.0, alpha), beta, tuple(x.shape))

    def scaled(self) -> Tensor:
        """The numbers in 0..1."""
        return (self.real - self.beta) / self.alpha

    def codebook(self, points: Tensor) -> Tensor:
        """What points of 0..1, (K,), mean in each bucket: (buckets, K)."""
        return self.alpha * points + self.beta

    def joined(self, numbers: Tensor) -> Tensor:
        """Numbers of all buckets in the tensor's shape."""
        count = 1
        for length in self.shape:
            count *= length
        return numbers.reshape(-1)[:count].reshape(self.shape)

    def frozen(self, codebook: Tensor, chosen: Tensor) -> CodebookTensor:
        """The tensor with number `chosen` of its bucket's part of the codebook everywhere."""
        buckets, points = codebook.shape
        first = torch.arange(buckets, device=chosen.device).unsqueeze(1) * points
        assignments = self.joined(first + chosen).reshape(-1)
        return CodebookTensor(
            codebook.detach().reshape(-1, 1).cpu().numpy(), assignments.cpu().numpy(), self.shape
        )


def check_bucket(bits: int, bucket: int) -> None:
    """Raises ValueError for settings that are none."""
    if not 1 <= bits <= 8:
        raise ValueError(f"bits must be 1 to 8, not {bits}")
    if bucket < 2:
        raise ValueError(f"a bucket has at least 2 numbers, not {bucket}")
