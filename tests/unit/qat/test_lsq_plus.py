"""LSQ+ against equations 2 to 8 of Bhalgat et al. 2020, by hand."""

import math

import pytest
import torch

from intact.numerics.formats import Int
from intact.numerics.granularity import PerTensor
from intact.qat import LsqPlusActivation, LsqPlusWeight


def _activation(step: float, offset: float) -> LsqPlusActivation:
    quantizer = LsqPlusActivation(Int(2))
    quantizer(torch.tensor([[-1.0, 1.0]]))
    with torch.no_grad():
        quantizer.step.fill_(step)
        quantizer.offset.fill_(offset)
    return quantizer


def test_a_weights_step_begins_at_its_spread() -> None:
    weight = torch.tensor([[1.0, 3.0], [-2.0, -2.0], [0.0, 0.0]])
    # mean 2, sigma 1: |2 + 3| / 8; mean -2, sigma 0: |-2| / 8
    assert LsqPlusWeight(weight).step.ravel().tolist() == [0.625, 0.25, 1.0]
    whole = LsqPlusWeight(weight[:1], Int(2), PerTensor())
    assert whole.step.item() == 2.5


def test_forward_and_gradients_of_a_weight_by_hand() -> None:
    quantizer = LsqPlusWeight(torch.ones(1, 3), Int(2), PerTensor())
    with torch.no_grad():
        quantizer.step.fill_(0.5)
    x = torch.tensor([[0.3, -0.6, 2.0]], requires_grad=True)  # v = 0.6, -1.2, 4: codes -2..1
    y = quantizer(x)
    assert y.tolist() == [[0.5, -0.5, 0.5]]
    y.backward(torch.tensor([[1.0, 2.0, 4.0]]))
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 2.0, 0.0]]
    assert quantizer.step.grad is not None
    assert quantizer.step.grad.item() == pytest.approx((0.4 + 0.4 + 4) / math.sqrt(3))


def test_forward_and_gradients_of_an_activation_by_hand() -> None:
    quantizer = _activation(0.5, -0.5)  # z = -1: levels -1..2
    x = torch.tensor([[-0.9, -0.3, 0.1, 0.6, 2.0]], requires_grad=True)
    y = quantizer(x)
    assert y.tolist() == [[-0.5, -0.5, 0.0, 0.5, 1.0]]
    y.backward(torch.tensor([[1.0, 2.0, 4.0, 8.0, 16.0]]))
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 2.0, 4.0, 8.0, 0.0]]
    gain = 1 / math.sqrt(5 * 3)
    step = 2 * (-1 + 0.6) + 4 * (0 - 0.2) + 8 * (1 - 1.2) + 16 * 3
    assert quantizer.step.grad is not None
    assert quantizer.step.grad.item() == pytest.approx(step * gain)
    assert quantizer.offset.grad is not None
    assert quantizer.offset.grad.item() == pytest.approx(17 * gain)


@pytest.mark.parametrize(("offset", "zero_point"), [(-0.2, -2), (-0.3, -1), (-9.0, 1), (9.0, -2)])
def test_the_offset_is_rounded_to_the_grid(offset: float, zero_point: int) -> None:
    params = _activation(0.5, offset).params()
    assert int(params.offset) == zero_point
    assert _activation(0.5, offset)(torch.zeros(1, 1)).item() == 0


def test_an_activation_begins_at_the_least_error() -> None:
    quantizer = LsqPlusActivation(Int(2))
    x = torch.tensor([[-0.5, 0.0, 0.5, 1.0, 0.5]])
    y = quantizer(x)
    assert quantizer.step.item() == pytest.approx(0.5, rel=0.02)
    torch.testing.assert_close(y.detach(), x, rtol=0, atol=0.02)
    swish = torch.nn.functional.silu(torch.linspace(-6, 3, 1000)).unsqueeze(0)
    assert ((LsqPlusActivation(Int(4))(swish) - swish) ** 2).mean().item() < 0.01


def test_a_step_stays_positive() -> None:
    quantizer = _activation(-1.0, 0.5)
    assert torch.isfinite(quantizer(torch.ones(1, 4))).all()
    assert float(quantizer.params().scale) > 0
