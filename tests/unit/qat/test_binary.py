"""Binary weights and neurons against Courbariaux, Hubara et al. 2016, by hand."""

import pytest
import torch
from torch import Tensor, nn

from intact.numerics.formats import Binary
from intact.qat import BinaryWeight, SignActivation

X = [-1.5, -1.0, -0.3, 0.0, 0.4, 1.0, 2.0]


def _backward(quantizer: nn.Module) -> tuple[list[float], list[float]]:
    x = torch.tensor(X, requires_grad=True)
    y: Tensor = quantizer(x)
    y.backward(torch.arange(1.0, 8.0))
    assert x.grad is not None
    return y.tolist(), x.grad.tolist()


@pytest.mark.parametrize("quantizer", [BinaryWeight(torch.zeros(1)), SignActivation()], ids=str)
def test_signs_and_the_gradient_of_hard_tanh_at_the_preactivation(quantizer: nn.Module) -> None:
    # Every output is within [-1, 1]: a mask of the outputs would let all gradients pass.
    y, gradient = _backward(quantizer)
    assert y == [-1, -1, -1, 1, 1, 1, 1]
    assert gradient == [0, 2, 3, 4, 5, 6, 0]


def test_a_weight_ships_as_bits_without_a_scale() -> None:
    frozen = BinaryWeight(torch.zeros(1)).freeze(torch.tensor([[0.5, -0.1], [0.0, -2.0]]))
    assert frozen.params.format == Binary()
    assert float(frozen.params.scale) == 1
    assert frozen.codes.tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize(
    "quantizer", [BinaryWeight(torch.zeros(1), True, 3), SignActivation(True, 3)], ids=str
)
def test_the_probability_of_plus_one_is_the_hard_sigmoid(quantizer: nn.Module) -> None:
    quantizer.train()
    x = torch.tensor([[-1.5], [-1.0], [-0.5], [0.0], [0.5], [1.0], [3.0]]).expand(7, 4000)
    share = (quantizer(x) == 1).float().mean(1)
    wanted = torch.tensor([0, 0, 0.25, 0.5, 0.75, 1, 1])
    torch.testing.assert_close(share, wanted, rtol=0, atol=0.03)
    assert share[[0, 1, 5, 6]].tolist() == [0, 0, 1, 1]
    assert torch.equal(quantizer.eval()(x), torch.where(x >= 0, 1.0, -1.0))


def test_a_stochastic_neuron_has_the_same_gradient() -> None:
    assert _backward(SignActivation(stochastic=True).train())[1] == [0, 2, 3, 4, 5, 6, 0]
