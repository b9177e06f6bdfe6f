"""INQ against equations 1 to 4 of Zhou et al. 2017, by hand."""

import pytest
import torch
from torch import nn

from intact.numerics.formats import PowerOfTwo
from intact.numerics.granularity import PerChannel
from intact.qat import InqWeight, advance_inq

# n1 = floor(log2(4 * 1.2 / 3)) = 0; of 3 bits: 1, 0.5, 0.25 and 0
_WEIGHT = torch.tensor([[1.2, -0.75, 0.74, 0.375, 0.37, -0.125, 0.124, 0.0]])
_POWERS = [1.0, -1.0, 0.5, 0.5, 0.25, -0.25, 0.0, 0.0]


def test_all_are_powers_of_two_in_evaluation() -> None:
    quantizer = InqWeight(_WEIGHT, 3).eval()
    assert quantizer(_WEIGHT).tolist() == [_POWERS]
    frozen = quantizer.freeze(_WEIGHT)
    assert frozen.params.format == PowerOfTwo(3)
    assert frozen.codes.tolist() == [[1, -1, 2, 2, 3, -3, 0, 0]]


@pytest.mark.parametrize(
    ("largest", "power"), [(1.5, 2.0), (1.49, 1.0), (0.75, 1.0), (0.74, 0.5), (0.0, 1.0)]
)
def test_the_largest_power_is_the_nearest_to_the_largest_weight(
    largest: float, power: float
) -> None:
    assert InqWeight(torch.tensor([[largest, 0.0]])).scale.item() == power


def test_the_largest_share_is_held_and_the_others_train() -> None:
    quantizer, x = InqWeight(_WEIGHT, 3), _WEIGHT.clone().requires_grad_()
    y = quantizer(x)
    assert y.tolist() == [_POWERS[:4] + _WEIGHT[0, 4:].tolist()]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0] * 4 + [1.0] * 4]


def test_shares_advance_and_what_is_held_stays() -> None:
    quantizer = InqWeight(_WEIGHT, 3)
    quantizer(_WEIGHT)
    moved = _WEIGHT * 0.9 + 0.01
    free = [_WEIGHT.numel() - int(quantizer.held.sum())]
    for share in (0.75, 0.875, 1.0, 1.0):
        assert advance_inq(nn.Sequential(quantizer)) == share
        y = quantizer(moved)
        assert y[0, :4].tolist() == _POWERS[:4]
        free.append(_WEIGHT.numel() - int(quantizer.held.sum()))
    assert free == [4, 2, 1, 0, 0]
    assert torch.equal(quantizer(moved), quantizer.eval()(moved))


def test_channels_have_powers_of_their_own() -> None:
    weight = torch.tensor([[1.0, 0.3], [12.0, 3.0]])
    assert InqWeight(weight, granularity=PerChannel()).scale.ravel().tolist() == [1.0, 16.0]


def test_the_state_dict_resumes() -> None:
    first, second = InqWeight(_WEIGHT, 3), InqWeight(torch.zeros_like(_WEIGHT), 3)
    first(_WEIGHT)
    first.advance()
    second.load_state_dict(first.state_dict())
    moved = _WEIGHT.flip(1)
    assert torch.equal(first(moved), second(moved))
    assert second.share == 0.75


@pytest.mark.parametrize("shares", [(0.5, 0.4, 1.0), (0.0, 1.0), (0.5,)])
def test_shares_that_do_not_grow_to_all_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="shares"):
        InqWeight(_WEIGHT, shares=shares)


def test_a_network_without_inq_cannot_advance() -> None:
    with pytest.raises(ValueError, match="no InqWeight"):
        advance_inq(nn.Linear(1, 1))
