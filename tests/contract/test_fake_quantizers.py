"""What every quantizer of training promises: its numbers are those of its codes, exactly."""

import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.errors import CalibrationError
from intact.qat import SlbWeight
from tests.contract.cases import CALIBRATED, FAKE_ACTIVATIONS, FAKE_WEIGHTS

WEIGHT_SHAPES = ((8, 4), (6, 4, 3, 3), (5, 8, 3))


def _weight(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator) * torch.rand(shape[0], generator=generator).view(
        -1, *(1,) * (len(shape) - 1)
    )


def _activation(seed: int = 0) -> Tensor:
    return torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(seed)) * 3 + 0.5


@pytest.mark.parametrize("make", FAKE_WEIGHTS, ids=str)
class TestFakeWeight:
    @pytest.mark.parametrize("shape", WEIGHT_SHAPES)
    def test_what_is_trained_is_what_ships(self, make: object, shape: tuple[int, ...]) -> None:
        assert callable(make)
        quantizer, weight = make(_weight(shape)).eval(), _weight(shape, 1)
        np.testing.assert_array_equal(
            quantizer.freeze(weight).dequantize(), quantizer(weight).detach().numpy()
        )

    def test_what_ships_after_training_and_for_odd_numbers(self, make: object) -> None:
        assert callable(make)
        weight = _weight((6, 4, 3, 3)).requires_grad_()
        quantizer = make(weight.detach())
        optimizer = torch.optim.SGD([weight, *quantizer.parameters()], 0.05)
        for _ in range(3):
            optimizer.zero_grad()
            (quantizer(weight) - 0.3).square().sum().backward()
            optimizer.step()
        quantizer.eval()
        x = weight.detach().clone()
        for channel, odd in enumerate((0.0, -0.0, 1e30, -1e30, 1e-30, 1e-42)):
            x[channel, 1] = odd
        np.testing.assert_array_equal(
            quantizer.freeze(x).dequantize(), quantizer(x).detach().numpy()
        )

    def test_gradients_reach_the_weight_and_every_parameter(self, make: object) -> None:
        assert callable(make)
        weight = _weight((6, 4, 3, 3)).requires_grad_()
        quantizer = make(weight.detach())
        quantizer(weight).square().sum().backward()
        learned = list(quantizer.parameters())
        if not isinstance(quantizer, SlbWeight):  # which learns a weight of its own
            learned.append(weight)
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learned)
        assert all(torch.isfinite(p.grad).all() for p in learned if p.grad is not None)

    def test_a_weight_of_zeros_stays_finite(self, make: object) -> None:
        assert callable(make)
        zeros = torch.zeros(4, 4)
        quantizer = make(zeros).eval()
        assert quantizer(zeros).abs().max() <= 1  # binary weights have no 0
        assert quantizer.freeze(zeros).dequantize().tolist() == quantizer(zeros).tolist()


@pytest.mark.parametrize("make", CALIBRATED, ids=str)
def test_before_any_data_an_activation_passes_and_has_no_parameters(make: object) -> None:
    assert callable(make)
    quantizer, x = make().eval(), _activation()
    assert quantizer(x) is x
    with pytest.raises(CalibrationError, match="training mode"):
        quantizer.params()


@pytest.mark.parametrize("make", FAKE_ACTIVATIONS, ids=str)
class TestFakeActivation:
    @pytest.mark.parametrize("positive", [False, True])
    def test_its_numbers_are_those_of_its_codes(self, make: object, positive: bool) -> None:
        assert callable(make)
        quantizer = make().train()
        for seed in range(3):
            quantizer(_activation(seed).relu() if positive else _activation(seed))
        quantizer.eval()
        x = _activation(9)
        x.ravel()[:7] = torch.tensor([0.0, -0.0, 1e30, -1e30, 1e-30, -1e-42, 1e-45])
        params = quantizer.params()
        np.testing.assert_array_equal(
            params.dequantize(params.quantize(x.numpy())), quantizer(x).detach().numpy()
        )

    def test_the_state_dict_holds_what_was_learned(self, make: object) -> None:
        assert callable(make)
        quantizer: nn.Module = make().train()
        quantizer(_activation())
        file = io.BytesIO()
        torch.save(quantizer.state_dict(), file)
        other = make()
        other.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
        assert other.params() == quantizer.params()
        x = _activation(5)
        torch.testing.assert_close(other.eval()(x), quantizer.eval()(x), rtol=0, atol=0)
