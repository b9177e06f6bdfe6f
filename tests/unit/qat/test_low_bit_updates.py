"""Clipping and learning rates against Courbariaux, Hubara et al. 2016."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.qat import (
    BinaryWeight,
    LinearWeight,
    QatRule,
    TrainableNetwork,
    binary_groups,
    clip_after_steps,
    clip_weights,
    prepare,
)


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
    clip_weights(network)
    assert network.network.constant("fc1.weight").abs().max() == 1
    assert network.network.constant("fc2.weight").abs().max() > 1


def test_weights_of_a_given_limit_are_clipped_to_it() -> None:
    layer = nn.Linear(4, 3)
    nn.init.constant_(layer.weight, -3)
    for limit, wanted in ((2.0, -2), (None, -3)):
        rule = QatRule(weight=partial(LinearWeight, limit=limit))
        network = prepare(capture(layer, torch.zeros(2, 4)), [rule])
        clip_weights(network)
        assert (network.network.constant("weight") == wanted).all()


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
