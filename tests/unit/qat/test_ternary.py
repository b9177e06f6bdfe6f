"""Ternary weights against Li, Zhang, Liu 2016, by hand."""

import pytest
import torch

from intact.numerics.formats import Ternary
from intact.numerics.granularity import PerChannel
from intact.qat import TernaryWeight

WEIGHT = torch.tensor([[1.0, -0.6, 0.1, 0.0], [-0.2, 0.3, -0.9, 0.9]])


def test_threshold_and_scale_of_a_layer() -> None:
    # delta = 0.7 * 4 / 8 = 0.35; alpha = (1 + 0.6 + 0.9 + 0.9) / 4
    y = TernaryWeight(WEIGHT)(WEIGHT)
    a = 0.85
    torch.testing.assert_close(y, torch.tensor([[a, -a, 0, 0], [0, 0, -a, a]]))


def test_threshold_and_scale_of_a_channel() -> None:
    # deltas 0.7 * 1.7 / 4 = 0.2975 and 0.7 * 2.3 / 4 = 0.4025
    frozen = TernaryWeight(WEIGHT, PerChannel()).freeze(WEIGHT)
    assert frozen.params.format == Ternary()
    assert frozen.codes.tolist() == [[1, -1, 0, 0], [0, 0, -1, 1]]
    assert frozen.params.scale.ravel().tolist() == pytest.approx([0.8, 0.9])


def test_the_gradient_passes() -> None:
    x = WEIGHT.clone().requires_grad_()
    TernaryWeight(x)(x).backward(2 * WEIGHT)
    assert x.grad is not None
    assert torch.equal(x.grad, 2 * WEIGHT)
