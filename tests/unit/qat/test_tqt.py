"""TQT against equations 4 to 8 of Jain et al. 2019, by hand."""

import math

import pytest
import torch

from intact.numerics.formats import Int
from intact.numerics.granularity import PerChannel
from intact.qat import TqtActivation, TqtWeight


def _weight(log2_threshold: float) -> TqtWeight:
    quantizer = TqtWeight(torch.ones(1, 4), Int(3))
    with torch.no_grad():
        quantizer.log2_threshold.fill_(log2_threshold)
    return quantizer


def test_forward_and_gradients_by_hand() -> None:
    quantizer = _weight(0.3)  # t becomes 2, s = 2 / 4; codes -4..3
    # v = 0.6, -3.8, 3.6 (rounds to 4 > 3), -5.2, 3.2
    x = torch.tensor([[0.3, -1.9, 1.8, -2.6, 1.6]], requires_grad=True)
    y = quantizer(x)
    assert y.tolist() == [[0.5, -2.0, 1.5, -2.0, 1.5]]
    y.backward(torch.tensor([[1.0, 2.0, 4.0, 8.0, 16.0]]))
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 2.0, 0.0, 0.0, 16.0]]
    slope = 1 * 0.4 + 2 * -0.2 + 4 * 3 + 8 * -4 + 16 * -0.2
    assert quantizer.log2_threshold.grad is not None
    found = quantizer.log2_threshold.grad.item()
    assert found == pytest.approx(0.5 * math.log(2) * slope, rel=1e-5)


@pytest.mark.parametrize(
    ("log2_threshold", "power"), [(-1.0, -1), (-0.99, 0), (5.5, 6), (-500.0, -64), (500.0, 64)]
)
def test_scales_are_powers_of_two(log2_threshold: float, power: int) -> None:
    scale = _weight(log2_threshold).freeze(torch.ones(1, 4)).params.scale
    assert float(scale.item()) == 2.0 ** (power - 2)


def test_a_weights_threshold_begins_at_three_deviations() -> None:
    weight = torch.tensor([[1.0, -1.0], [2.0, 2.0]])
    found = TqtWeight(weight, granularity=PerChannel()).log2_threshold.ravel()
    assert found.tolist() == pytest.approx([math.log2(3), 0.0])


@pytest.mark.parametrize("bits", [8, 16])
def test_an_activations_threshold_begins_near_its_largest_number(bits: int) -> None:
    x = torch.linspace(0, 6, 5000).unsqueeze(0)
    for first, zero_point in ((x, -(2 ** (bits - 1))), (x - 3, 0)):
        quantizer = TqtActivation(Int(bits))
        quantizer(first)
        largest = float(first.abs().max())
        assert largest / 2 < 2 ** quantizer.log2_threshold.item() < largest * 1.01
        assert int(quantizer.params().offset) == zero_point


def test_an_unsigned_format_has_its_own_zero() -> None:
    quantizer = TqtActivation(Int(4, signed=False))
    quantizer(torch.tensor([[0.0, 1.5]]))
    assert int(quantizer.params().offset) == 0
    assert math.log2(float(quantizer.params().scale)).is_integer()
