"""Quantized distillation's weights (Polino et al. 2018), by hand."""

import pytest
import torch
from torch import Tensor

from intact.qat import BucketedWeight


def _weight() -> Tensor:
    # Two buckets of four numbers: -1..2 and 0..0.3.
    return torch.tensor([[-1.0, 2.0, 0.1, 1.4], [0.0, 0.3, 0.16, 0.04]], requires_grad=True)


def test_levels_lie_evenly_between_the_ends_of_each_bucket() -> None:
    found = BucketedWeight(_weight(), bits=2, bucket=4)(_weight())
    # u = (w + 1) / 3: 0, 1, 0.37, 0.8 and w / 0.3: 0, 1, 0.53, 0.13; levels 0, 1/3, 2/3, 1
    torch.testing.assert_close(found, torch.tensor([[-1.0, 2.0, 0.0, 1.0], [0.0, 0.3, 0.2, 0.0]]))


def test_the_gradient_at_the_quantized_weights_is_applied_to_the_float_ones() -> None:
    weight, upstream = _weight(), torch.arange(8.0).reshape(2, 4)
    BucketedWeight(weight, bits=2, bucket=4)(weight).backward(upstream)
    assert weight.grad is not None
    assert torch.equal(weight.grad, upstream)


def test_through_the_range_the_ends_are_told_how_they_move_the_levels() -> None:
    weight = _weight()
    upstream = torch.tensor([[1.0, 1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    BucketedWeight(weight, bits=2, bucket=4, through_range=True)(weight).backward(upstream)
    # dalpha: 2 (1/3 - 1.1/3) + 3 (2/3 - 2.4/3); the largest gets it, the smallest its negative
    alpha = 2 * (1 - 1.1) / 3 + 3 * (2 - 2.4) / 3
    assert weight.grad is not None
    assert weight.grad[0].tolist() == pytest.approx([1 - alpha, 1 + alpha, 2, 3])


def test_the_last_bucket_may_be_short() -> None:
    weight = torch.tensor([[0.0, 1.0, 5.0, 6.0, 7.0]])
    found = BucketedWeight(weight, bits=1, bucket=2)
    assert found(weight).tolist() == [[0.0, 1.0, 5.0, 6.0, 7.0]]
    assert found.freeze(weight).codebook.ravel().tolist() == [0, 1, 5, 6, 7, 8]


@pytest.mark.parametrize(("bits", "bucket"), [(0, 256), (9, 256), (4, 1)])
def test_settings_that_are_none_are_refused(bits: int, bucket: int) -> None:
    with pytest.raises(ValueError, match=r"bits|bucket"):
        BucketedWeight(_weight(), bits=bits, bucket=bucket)
