"""LogQuant against Hubara et al. 2016, by hand."""

import torch

from intact.numerics.formats import PowerOfTwo
from intact.qat import LogGradient, LogWeight

WEIGHT = torch.tensor([[1.5, -0.7, 0.75, 0.3], [0.1, -0.09, 0.0, -1.0]])


def test_a_weight_of_3_bits() -> None:
    # The largest is 2; there are 2, 1, 1/2. 0.3 rounds to 1/4, which is less: 0.
    quantizer, x = LogWeight(WEIGHT, PowerOfTwo(3)), WEIGHT.clone().requires_grad_()
    y = quantizer(x)
    assert y.tolist() == [[2.0, -0.5, 1.0, 0.0], [0.0, 0.0, 0.0, -1.0]]
    y.backward(2 * WEIGHT)
    assert x.grad is not None
    assert torch.equal(x.grad, 2 * WEIGHT)


def test_codes_count_from_the_largest_power() -> None:
    frozen = LogWeight(WEIGHT, PowerOfTwo(4)).freeze(WEIGHT)
    assert frozen.codes.tolist() == [[1, -3, 2, 4], [5, -5, 0, -2]]
    assert frozen.params.scale.item() == 2


def test_rounding_is_that_of_the_logarithm() -> None:
    # 1.45 is nearer to 1, but log2(1.45) = 0.54
    assert LogWeight(WEIGHT)(torch.tensor([[1.45, 1.4]])).tolist() == [[2.0, 1.0]]


def test_a_gradient_of_6_bits_has_31_powers_and_0() -> None:
    gradient = 0.75 * 2.0 ** -torch.arange(40)
    found = LogGradient()(gradient)
    assert torch.equal(found[:31], 2.0 ** -torch.arange(31))
    assert (found[31:] == 0).all()
    assert torch.equal(LogGradient()(-gradient), -found)


def test_a_gradient_of_zeros_and_one_that_is_not_finite_stay() -> None:
    zeros = torch.zeros(3)
    assert torch.equal(LogGradient()(zeros), zeros)
    assert not LogGradient()(torch.tensor([float("inf"), float("nan")])).isfinite().any()
