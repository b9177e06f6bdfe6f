"""Training that goes on with fewer bits."""

from functools import partial

import torch
from torch import nn

import intact
from intact.numerics.formats import Int
from intact.qat import LsqActivation, LsqWeight, QatRule, prepare_again


def _rules(bits: int) -> list[QatRule]:
    activation = partial(LsqActivation, format=Int(bits))
    weight = partial(LsqWeight, format=Int(bits, narrow=True))
    ends = QatRule(match="0", weight=LsqWeight, input=partial(LsqActivation, format=Int(8)))
    return [ends, QatRule(weight=weight, activation=activation, input=activation)]


def test_stages_begin_with_the_weights_that_were_reached() -> None:
    torch.manual_seed(0)
    x, labels = torch.randn(64, 4), torch.randint(3, (64,))
    layers = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)
    network = intact.prepare(nn.Sequential(*layers), _rules(8), example_input=x[:2])
    for bits in (8, 4, 2):
        before = network.network.state_dict()
        network = prepare_again(network, _rules(bits))
        assert network.training
        for name in ("0.weight", "1.running_var", "3.bias"):
            assert torch.equal(network.network.state_dict()[name], before[name])
        optimizer = torch.optim.Adam(network.parameters(), 0.01)
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x), labels).backward()
            optimizer.step()
    converted = intact.convert(network.eval())
    assert converted.model.weights["3.weight"].params.format.bits == 2  # type: ignore[union-attr]
    assert converted.model.weights["0.weight"].params.format.bits == 4  # type: ignore[union-attr]
    assert converted.stays_float == {}
