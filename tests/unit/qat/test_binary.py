"""Binary weights and neurons against Courbariaux, Hubara et al. 2016, by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.numerics.formats import Binary
from intact.qat import (
    BinaryWeight,
    QatRule,
    SignActivation,
    TrainableNetwork,
    binary_groups,
    clip_after_steps,
    clip_binary_weights,
    prepare,
)

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


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.norm = nn.Linear(20, 30, bias=False), nn.BatchNorm1d(30)
        self.fc2 = nn.Linear(30, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.norm(self.fc1(x)))


def _network() -> TrainableNetwork:
    torch.manual_seed(0)
    rules = [QatRule(match="fc1", weight=BinaryWeight)]
    return prepare(capture(Perceptron(), torch.zeros(2, 20)), rules)


def test_binary_weights_alone_are_clipped() -> None:
    network = _network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(100)
    clip_binary_weights(network)
    assert network.network.constant("fc1.weight").abs().max() == 1
    assert network.network.constant("fc2.weight").abs().max() > 1


def test_an_optimizer_clips_after_its_steps() -> None:
    network = _network()
    optimizer = torch.optim.SGD(network.parameters(), 1000)
    handle = clip_after_steps(network, optimizer)
    x = torch.randn(8, 20, generator=torch.Generator().manual_seed(0))
    network(x).square().sum().backward()
    optimizer.step()
    weight = network.network.constant("fc1.weight")
    assert weight.abs().max() == 1
    handle.remove()
    optimizer.step()
    assert weight.abs().max() > 1


def test_learning_rates_of_binary_weights_have_glorots_factor_and_no_decay() -> None:
    network = _network()
    others, binary = binary_groups(network, 0.01)
    factor = 1 / math.sqrt(1.5 / (20 + 30))  # 5.77
    assert binary["lr"] == pytest.approx(0.01 * factor)
    assert binary["weight_decay"] == 0
    assert others["lr"] == 0.01
    assert len(others["params"]) + 1 == len(list(network.parameters()))
    assert binary_groups(network, 0.01, shift=True)[1]["lr"] == pytest.approx(0.01 * 8)


def test_the_factor_of_a_convolution_counts_positions() -> None:
    network = prepare(
        capture(nn.Conv2d(3, 8, 5), torch.zeros(1, 3, 6, 6)), [QatRule(weight=BinaryWeight)]
    )
    (group,) = [g for g in binary_groups(network, 1.0) if "weight_decay" in g]
    assert group["lr"] == pytest.approx(1 / math.sqrt(1.5 / (25 * 3 + 25 * 8)))
