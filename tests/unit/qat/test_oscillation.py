"""Oscillations against the definition of Nagel et al. 2022."""

from functools import partial

import pytest
import torch
from torch import nn

import intact
from intact.errors import UnsupportedOpError
from intact.numerics.formats import Int
from intact.qat import (
    BatchNormTraining,
    DorefaWeight,
    Fold,
    LsqWeight,
    Oscillation,
    QatRecipe,
    QatRule,
    TrainableNetwork,
    dampening,
    prepare,
)

LSQ = QatRule(weight=partial(LsqWeight, format=Int(3, narrow=True)))


def _network() -> TrainableNetwork:
    network = intact.prepare(nn.Linear(3, 1, bias=False), [LSQ], example_input=torch.zeros(1, 3))
    _, quantizer = network.weights["weight"]
    assert isinstance(quantizer, LsqWeight)
    with torch.no_grad():
        quantizer.step.fill_(1)
    return network


def _set(network: TrainableNetwork, numbers: list[float]) -> None:
    with torch.no_grad():
        network.network.constant("weight").copy_(torch.tensor([numbers]))


def test_a_change_against_the_last_one_is_an_oscillation() -> None:
    network = _network()
    _set(network, [0, 0, 0])
    oscillation = Oscillation(network, momentum=0.5)
    steps: list[list[float]] = [[1, 1, 0], [1, 0, 0.4], [2, 1, -0.4], [1, 1, 0.4]]
    for numbers in steps:
        _set(network, numbers)
        oscillation.update()
    # The first rises twice and falls; the second turns in two steps; the third keeps its code.
    assert oscillation.frequency()["weight"].tolist() == [[0.5, 0.375, 0]]
    assert oscillation.share(0.4) == {"weight": pytest.approx(1 / 3)}


def test_a_weight_that_oscillates_is_held_at_its_average_code() -> None:
    network = _network()
    _set(network, [1.4, 0, 0])
    oscillation = Oscillation(network, momentum=0.25, freeze_above=0.3)
    for number in (1.6, 1.4, 1.6):
        assert not oscillation.held()["weight"].any()
        _set(network, [number, number, 0.2])
        oscillation.update()
    # Codes 1, 2, 1, 2: average 1.39; codes 0, 2, 1, 2 : average 0.97. Both turned twice.
    assert oscillation.held()["weight"].tolist() == [[True, True, False]]
    assert network.network.constant("weight").tolist() == [[1, 1, pytest.approx(0.2)]]
    _set(network, [-2.0, 3.0, 0.8])  # what the optimizer does then
    oscillation.update()
    assert network.network.constant("weight").tolist() == [[1, 1, pytest.approx(0.8)]]


def test_weights_with_the_factor_of_a_batchnorm_are_held_at_codes_too() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    with torch.no_grad():
        model[1].get_parameter("weight").copy_(torch.tensor([0.5, 2.0, -3.0]))
    graph = intact.to_graph(model, torch.zeros(1, 2, 4, 4))
    network = prepare(
        graph, QatRecipe(rules=(LSQ,), batchnorm=BatchNormTraining(fold=Fold.ONE_CONV))
    )
    oscillation = Oscillation(network, momentum=1.0, freeze_above=0.5)
    _, quantizer = network.weights["0.weight"]
    codes = quantizer.freeze(network.weight("0.weight").detach())
    for sign in (1, -1, 1):
        moved = network.weight("0.weight").detach() + sign * 3.0
        network.set_weight("0.weight", moved, torch.ones_like(moved, dtype=torch.bool))
        oscillation.update()
    held = oscillation.held()["0.weight"]
    assert held.any()
    read = network.weight("0.weight").detach()[held]
    numbers = quantizer(network.weight("0.weight")).detach()[held]
    torch.testing.assert_close(read, numbers)
    assert codes.shape == tuple(held.shape)


def test_numbers_that_have_other_codes_cannot_be_held() -> None:
    rule = QatRule(weight=partial(DorefaWeight, bits=5))
    network = intact.prepare(nn.Linear(8, 8), [rule], example_input=torch.zeros(1, 8))
    Oscillation(network)
    with pytest.raises(UnsupportedOpError, match="DorefaWeight"):
        Oscillation(network, freeze_above=0.1)


def test_dampening_draws_weights_to_the_middle_of_their_bins() -> None:
    network = _network()
    _set(network, [0.4, -1.7, 5.0])  # codes 0, -2 and 3, which saturates
    loss = dampening(network)
    assert loss.item() == pytest.approx(0.4**2 + 0.3**2)
    loss.backward()
    weight = network.network.constant("weight")
    assert weight.grad is not None
    assert weight.grad.tolist() == [[pytest.approx(0.8), pytest.approx(0.6), 0]]
    steps = [p for p in network.parameters() if p is not weight]
    assert all(p.grad is None or not p.grad.any() for p in steps)


def test_it_is_no_part_of_the_network() -> None:
    network = _network()
    oscillation = Oscillation(network)
    assert list(oscillation.parameters()) == []
    assert set(oscillation.state_dict()) == {
        f"_tracks.0.{name}" for name in ("last", "turn", "frequency", "average", "held")
    }


@pytest.mark.parametrize("momentum", [0.0, 1.5])
def test_a_momentum_that_is_none_is_refused(momentum: float) -> None:
    with pytest.raises(ValueError, match="momentum"):
        Oscillation(_network(), momentum=momentum)
