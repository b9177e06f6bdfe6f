"""LSQ against equations 1 to 5 of Esser et al. 2020, by hand."""

import math

import pytest
import torch

from intact.numerics.formats import Int
from intact.numerics.granularity import PerTensor
from intact.qat import LsqActivation, LsqWeight

_INT3 = Int(3, narrow=True)  # -3..3


def _weight() -> LsqWeight:
    quantizer = LsqWeight(torch.ones(1, 4), _INT3, PerTensor())
    with torch.no_grad():
        quantizer.step.fill_(0.5)
    return quantizer


def test_the_step_begins_at_twice_the_mean_over_the_root_of_the_highest_level() -> None:
    quantizer = LsqWeight(torch.tensor([[1.0, -2.0], [3.0, 0.0]]), _INT3, PerTensor())
    assert quantizer.step.item() == pytest.approx(2 * 1.5 / math.sqrt(3))


def test_forward_and_gradients_by_hand() -> None:
    # v = x / 0.5: 0.6, -1.2, 4.0 (above Qp = 3), -3.6 (below Qn = -3)
    x = torch.tensor([[0.3, -0.6, 2.0, -1.8]], requires_grad=True)
    quantizer = _weight()
    y = quantizer(x)
    assert y.tolist() == [[0.5, -0.5, 1.5, -1.5]]
    y.backward(torch.tensor([[1.0, 2.0, 4.0, 8.0]]))
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 2.0, 0.0, 0.0]]
    # ds = g (1 (1 - 0.6) + 2 (-1 + 1.2) + 4 * 3 + 8 * -3), g = 1 / sqrt(4 * 3)
    assert quantizer.step.grad is not None
    assert quantizer.step.grad.item() == pytest.approx((0.4 + 0.4 + 12 - 24) / math.sqrt(12))


def test_an_activation_without_negative_numbers_uses_all_codes_for_positive_ones() -> None:
    quantizer = LsqActivation(Int(4))
    quantizer(torch.tensor([[0.0, 1.0, 2.0, 3.0]]))
    params = quantizer.params()
    assert params.zero_point is not None
    assert int(params.zero_point) == -8
    assert float(params.scale) == pytest.approx(2 * 1.5 / math.sqrt(15))


def test_an_activation_with_negative_numbers_has_zero_point_0() -> None:
    quantizer = LsqActivation(Int(4))
    quantizer(torch.tensor([[-1.0, 1.0]]))
    assert int(quantizer.params().offset) == 0


def test_the_step_of_an_activation_counts_the_numbers_of_one_sample() -> None:
    quantizer = LsqActivation(_INT3)
    quantizer(torch.tensor([[-1.0, 1.0]]))
    with torch.no_grad():
        quantizer.step.fill_(0.5)
    quantizer(torch.full((6, 2), 10.0)).sum().backward()
    assert quantizer.step.grad is not None
    assert quantizer.step.grad.item() == pytest.approx(12 * 3 / math.sqrt(2 * 3))


def test_a_step_stays_positive() -> None:
    quantizer = _weight()
    with torch.no_grad():
        quantizer.step.fill_(-1)
    assert torch.isfinite(quantizer(torch.ones(1, 4))).all()
    assert (quantizer.freeze(torch.ones(1, 4)).params.scale > 0).all()
