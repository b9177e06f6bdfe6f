"""Trained ternary quantization against equations 6 to 8 of Zhu et al. 2017, by hand."""

import numpy as np
import pytest
import torch

from intact.qat import TtqWeight

WEIGHT = torch.tensor([[1.0, -0.6, 0.04, 0.5], [-0.2, 0.05, -0.03, 0.06]])  # delta = 0.05


def _quantizer(positive: float, negative: float) -> TtqWeight:
    quantizer = TtqWeight(WEIGHT)
    with torch.no_grad():
        quantizer.positive.fill_(positive)
        quantizer.negative.fill_(negative)
    return quantizer


def test_levels_begin_at_the_mean_of_what_they_stand_for() -> None:
    quantizer = TtqWeight(WEIGHT)
    assert quantizer.positive.item() == pytest.approx((1 + 0.5 + 0.06) / 3)
    assert quantizer.negative.item() == pytest.approx((0.6 + 0.2) / 2)


def test_forward_and_gradients_by_hand() -> None:
    quantizer, x = _quantizer(1.27, 0.5), WEIGHT.clone().requires_grad_()
    y = quantizer(x)
    torch.testing.assert_close(y, torch.tensor([[1.27, -0.5, 0, 1.27], [-0.5, 0, 0, 1.27]]))
    y.backward(torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]))
    assert x.grad is not None
    wanted = torch.tensor([[1.27, 1.0, 3.0, 4 * 1.27], [2.5, 6.0, 7.0, 8 * 1.27]])
    torch.testing.assert_close(x.grad, wanted)
    assert quantizer.positive.grad is not None
    assert quantizer.positive.grad.item() == 1 + 4 + 8
    assert quantizer.negative.grad is not None
    assert quantizer.negative.grad.item() == -(2 + 5)


@pytest.mark.parametrize(("positive", "negative"), [(0.7, 0.3), (0.1, 0.9), (0.4, 0.4)])
def test_the_levels_ship_as_codes_of_8_bits(positive: float, negative: float) -> None:
    frozen = _quantizer(positive, negative).freeze(WEIGHT)
    assert len(set(frozen.codes.ravel().tolist())) == 3
    assert np.abs(frozen.codes).max() == 127
    wanted = np.select([WEIGHT > 0.05, WEIGHT < -0.05], [positive, -negative])
    assert np.abs(frozen.dequantize() - wanted).max() <= max(positive, negative) / 254 + 1e-6
