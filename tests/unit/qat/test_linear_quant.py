"""LinearQuant against Hubara et al. 2016, by hand."""

import pytest
import torch

from intact.numerics.formats import Int
from intact.qat import LinearActivation, LinearGradient, LinearWeight


def test_a_weight_of_limit_1_and_its_gradient() -> None:
    quantizer = LinearWeight(torch.zeros(1), Int(3), limit=1.0)  # steps of 1/4 up to 3/4
    x = torch.tensor([[-1.5, -1.0, -0.3, 0.1, 0.375, 0.9, 1.0, 1.1]], requires_grad=True)
    y = quantizer(x)
    assert y.tolist() == [[-1.0, -1.0, -0.25, 0.0, 0.5, 0.75, 0.75, 0.75]]  # 1.5 to even
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]]


def test_a_limit_follows_the_weight() -> None:
    quantizer = LinearWeight(torch.zeros(1), Int(2))
    assert quantizer(torch.tensor([[0.3, -0.2]])).tolist() == [[0.25, -0.25]]  # of limit 0.5
    assert quantizer(torch.tensor([[3.0, -2.0]])).tolist() == [[2.0, -2.0]]  # 1.5 to even, clipped


@pytest.mark.parametrize(
    ("x", "limit", "scale", "zero_point"),
    [
        ([-0.9, 0.7], None, 0.25, 0),
        ([0.0, 2.7], None, 0.5, -4),  # eight codes for 0 to 4
        ([0.0, 2.7], 1.0, 0.125, -4),
        ([-5.0, 0.0], 1.0, 0.25, 0),
    ],
)
def test_the_first_batch_gives_an_activation_its_range(
    x: list[float], limit: float | None, scale: float, zero_point: int
) -> None:
    quantizer = LinearActivation(Int(3), limit)
    quantizer(torch.tensor([x]))
    quantizer(torch.tensor([[-99.0, 99.0]]))
    params = quantizer.params()
    assert (float(params.scale), int(params.offset)) == (scale, zero_point)


def test_gradients_of_an_activation_without_negative_numbers_pass_up_to_the_limit() -> None:
    quantizer = LinearActivation(Int(2), 1.0)
    x = torch.tensor([[0.0, 0.6, 1.0, 1.01]], requires_grad=True)
    y = quantizer(x)
    assert y.tolist() == [[0.0, 0.5, 0.75, 0.75]]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 1.0, 1.0, 0.0]]


def test_a_limit_is_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="power of two, not 3"):
        LinearActivation(limit=3.0)


def test_a_gradient_of_6_bits() -> None:
    gradient = torch.tensor([0.003, -0.002, 0.00004, 0.0])  # limit 2**-8, steps of 2**-13
    step = 2.0**-13
    assert LinearGradient()(gradient).tolist() == [25 * step, -16 * step, 0.0, 0.0]
    assert LinearGradient(2)(torch.tensor([1.0, -1.0, 0.3])).tolist() == [0.5, -1.0, 0.5]


def test_a_gradient_of_zeros_and_one_that_is_not_finite_stay() -> None:
    zeros = torch.zeros(3)
    assert torch.equal(LinearGradient()(zeros), zeros)
    broken = LinearGradient()(torch.tensor([float("inf"), float("nan"), 1.0]))
    assert not broken[:2].isfinite().any()
