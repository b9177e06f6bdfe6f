"""PACT against equations 1 to 3 of Choi et al. 2018, by hand."""

import pytest
import torch
from torch import Tensor, nn

from intact.numerics.formats import Int
from intact.qat import PactActivation, penalty


def _pact(*first: float, alpha: float | None = None, bits: int = 2) -> PactActivation:
    quantizer = PactActivation(Int(bits), alpha)
    quantizer(torch.tensor([first]))
    return quantizer


def _gradient(x: Tensor | None) -> Tensor:
    assert x is not None
    assert x.grad is not None
    return x.grad


def test_forward_and_gradients_by_hand() -> None:
    quantizer = _pact(0.0, 1.0, alpha=1.5)  # steps of 1.5 / 3
    x = torch.tensor([[-0.3, 0.0, 0.7, 0.8, 1.5, 9.0]], requires_grad=True)
    y = quantizer(x)
    assert y.tolist() == [[0.0, 0.0, 0.5, 1.0, 1.5, 1.5]]
    y.backward(torch.tensor([[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]]))
    assert _gradient(x).tolist() == [[0.0, 2.0, 4.0, 8.0, 0.0, 0.0]]
    assert _gradient(quantizer.alpha).item() == 16 + 32


def test_negative_numbers_are_clipped_too() -> None:
    quantizer = _pact(-1.0, 1.0, alpha=0.5)  # steps of 0.5 / 1, codes -2..1
    x = torch.tensor([[-3.0, -0.6, 0.1, 0.5]], requires_grad=True)
    y = quantizer(x)
    assert y.tolist() == [[-1.0, -0.5, 0.0, 0.5]]
    y.backward(torch.tensor([[1.0, 2.0, 4.0, 8.0]]))
    assert _gradient(x).tolist() == [[0.0, 2.0, 4.0, 0.0]]
    assert _gradient(quantizer.alpha).item() == -2 * 1 + 8


def test_all_codes_are_for_positive_numbers() -> None:
    params = _pact(0.0, 6.0, bits=4).params()
    assert (int(params.offset), float(params.scale)) == (-8, pytest.approx(6 / 15))


def test_the_clip_begins_at_the_largest_number() -> None:
    assert _pact(0.5, 2.5).alpha.item() == 2.5
    assert _pact(0.0, 0.0).alpha.item() == 1


def test_the_penalty_of_a_network_is_that_of_its_clips() -> None:
    first, second = _pact(2.0), _pact(3.0)
    found = penalty(nn.Sequential(first, nn.Linear(1, 1), second))
    assert found.item() == pytest.approx(1e-4 * (4 + 9))
    found.backward()
    assert _gradient(second.alpha).item() == pytest.approx(2e-4 * 3)
    assert penalty(nn.Linear(1, 1)).item() == 0


def test_a_clip_stays_positive() -> None:
    quantizer = _pact(1.0)
    with torch.no_grad():
        quantizer.alpha.fill_(-1)
    assert torch.isfinite(quantizer(torch.ones(1, 4))).all()
    assert float(quantizer.params().scale) > 0


def test_a_clip_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        PactActivation(alpha=0)
