"""What every quantizer of gradients promises."""

import math

import pytest
import torch
from torch import Tensor

from tests.contract.cases import GRADIENT_QUANTIZERS


def _gradient() -> Tensor:
    return torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 1e-4


@pytest.mark.parametrize("make", GRADIENT_QUANTIZERS, ids=str)
class TestGradientQuantizer:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
    def test_it_keeps_shape_and_dtype(self, make: object, dtype: torch.dtype) -> None:
        assert callable(make)
        found = make()((1e4 * _gradient()).to(dtype))
        assert found.shape == (4, 3, 5, 5)
        assert found.dtype == dtype
        assert found.isfinite().all()

    def test_a_sample_has_as_many_numbers_as_there_are_codes(self, make: object) -> None:
        assert callable(make)
        quantizer = make()
        for sample in quantizer(_gradient()):
            assert 1 < len(sample.unique()) <= 2**quantizer.bits

    def test_it_goes_the_gradients_way(self, make: object) -> None:
        assert callable(make)
        gradient = _gradient()
        found = make()(gradient)
        cosine = torch.cosine_similarity(gradient.ravel(), found.ravel(), dim=0)
        assert cosine > 0.5
        assert found.norm() < 2 * gradient.norm()

    def test_zeros_stay_zeros(self, make: object) -> None:
        assert callable(make)
        zeros = torch.zeros(2, 3)
        assert torch.equal(make()(zeros), zeros)

    @pytest.mark.parametrize("number", [math.inf, math.nan])
    def test_a_loss_scaler_sees_what_is_not_finite(self, make: object, number: float) -> None:
        assert callable(make)
        gradient = _gradient()
        gradient[1, 0, 2, 2] = number
        assert not make()(gradient).isfinite().all()
