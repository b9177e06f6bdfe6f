"""XNOR-Net's binary weights against equations of Rastegari et al. 2016, by hand."""

import pytest
import torch

from intact.numerics.granularity import PerTensor
from intact.qat import XnorWeight

WEIGHT = torch.tensor([[0.5, -0.1, 0.0, -2.0], [0.2, 0.2, -0.2, 0.2]])


def test_a_filter_has_the_mean_magnitude_as_scale() -> None:
    y = XnorWeight(WEIGHT)(WEIGHT)
    torch.testing.assert_close(y, torch.tensor([[0.65, -0.65, 0.65, -0.65], [0.2, 0.2, -0.2, 0.2]]))


def test_the_gradient_has_a_share_of_the_scale() -> None:
    x = WEIGHT.clone().requires_grad_()
    XnorWeight(x)(x).backward(torch.tensor([[1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0]]))
    assert x.grad is not None
    # 1/4 + 0.65, but only 1/4 at -2, which hard tanh cuts off; 1/4 + 0.2
    wanted = torch.tensor([[0.9, 1.8, 2.7, 1.0], [0.45, 0.45, 0.45, 0.45]])
    torch.testing.assert_close(x.grad, wanted)


def test_one_scale_for_a_layer() -> None:
    frozen = XnorWeight(WEIGHT, PerTensor()).freeze(WEIGHT)
    assert frozen.params.scale.ravel().tolist() == pytest.approx([0.425])
    assert frozen.codes.tolist() == [[1, 0, 1, 0], [1, 1, 0, 1]]
