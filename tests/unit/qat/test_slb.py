"""SLB against Yang et al. 2020 and Golden Stick's schedule, by hand."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.numerics.formats import Binary, MidRise
from intact.qat import QatRule, SlbSchedule, SlbWeight, TrainableNetwork, prepare, set_epoch

SCHEDULE = SlbSchedule(epoch_size=100)


def _quantizer(logits: list[float], bits: int, temperature: float = 1.0) -> SlbWeight:
    quantizer = SlbWeight(torch.zeros(1, 1), bits)
    with torch.no_grad():
        quantizer.logits.copy_(torch.tensor([[logits]]))
        quantizer.temperature.fill_(temperature)
    return quantizer


def test_expectation_and_gradient_by_hand() -> None:
    # T a = 2 ln 2, 0: p = 4/5, 1/5; y = 4/5 (-1) + 1/5 = -3/5
    quantizer = _quantizer([math.log(2), 0.0], bits=1, temperature=2.0)
    y = quantizer(torch.zeros(1, 1))
    assert y.item() == pytest.approx(-0.6)
    y.backward()
    # T p_j (v_j - y): 2 * 4/5 * (-1 + 3/5), 2 * 1/5 * (1 + 3/5)
    assert quantizer.logits.grad is not None
    assert quantizer.logits.grad.ravel().tolist() == pytest.approx([-0.64, 0.64])


def test_levels_are_spread_evenly() -> None:
    for bits in (1, 2, 3, 4):
        levels = SlbWeight(torch.zeros(1, 1), bits).levels
        torch.testing.assert_close(levels, torch.linspace(-1, 1, 2**bits))


@pytest.mark.parametrize(
    ("bits", "format", "code"), [(1, Binary(), 0), (2, MidRise(2), 1), (4, MidRise(4), 1)]
)
def test_the_level_of_the_largest_logit_ships(
    bits: int, format: Binary | MidRise, code: int
) -> None:
    logits = [0.1] * 2**bits
    logits[code] = 0.2
    quantizer = _quantizer(logits, bits)
    frozen = quantizer.freeze(torch.zeros(1, 1))
    assert frozen.params.format == format
    assert frozen.codes.tolist() == [[code]]
    assert quantizer(torch.zeros(1, 1)).item() != frozen.dequantize().item()  # the expectation
    assert quantizer.eval()(torch.zeros(1, 1)).item() == frozen.dequantize().item()


def test_the_temperature_rises_between_two_epochs() -> None:
    found = [SCHEDULE.temperature(e - 1) for e in (1, 20, 21, 25, 60, 61, 100)]
    assert found == pytest.approx([1, 1, 1.2, 1.2**5, 1.2**40, 1.2**40, 1.2**40])
    assert [SCHEDULE.searching(e - 1) for e in (1, 59, 60, 100)] == [True, True, False, False]


def test_epochs_of_earlier_runs_count() -> None:
    resumed = SlbSchedule(epoch_size=100, has_trained_epoch=30, t_start_val=2.0, t_factor=1.5)
    assert resumed.temperature(0) == pytest.approx(2 * 1.5**11)


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"from 0\.7 to 0\.6"):
        SlbSchedule(epoch_size=10, t_start_time=0.7)
    with pytest.raises(ValueError, match="1 to 4 bits, not 5"):
        SlbWeight(torch.zeros(2, 2), bits=5)


def test_a_higher_temperature_leaves_less_entropy() -> None:
    quantizer = SlbWeight(torch.zeros(8, 8), 2, SCHEDULE)
    entropies = []
    for epoch in (0, 30, 50, 58):
        quantizer.set_epoch(epoch)
        p = torch.softmax(quantizer.logits * quantizer.temperature, -1)
        entropies.append(torch.special.entr(p).sum(-1).mean().item())
    assert entropies[0] == pytest.approx(math.log(4), rel=0.05)
    assert entropies == sorted(entropies, reverse=True)
    assert entropies[-1] < 0.1


def test_layers_of_equal_shape_begin_with_logits_of_their_own() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(3, 4, generator=generator) for _ in range(2))
    assert torch.equal(SlbWeight(first).logits, SlbWeight(first).logits)
    assert not torch.equal(SlbWeight(first).logits, SlbWeight(second).logits)
    assert not torch.equal(SlbWeight(first).logits, SlbWeight(first, seed=1).logits)
    wide = SlbWeight(torch.zeros(64, 32, 3, 3), 2).logits
    assert wide.std().item() == pytest.approx(math.sqrt(2 / (32 * 9 * 4)), rel=0.02)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


def _network(bits: int) -> TrainableNetwork:
    torch.manual_seed(0)
    schedule = SlbSchedule(epoch_size=10)
    make: Callable[[Tensor], SlbWeight] = partial(SlbWeight, bits=bits, schedule=schedule)
    return prepare(capture(Small(), torch.zeros(1, 2, 5, 5)), [QatRule(match="conv", weight=make)])


def _trained(network: TrainableNetwork, epochs: range) -> TrainableNetwork:
    x = torch.randn(32, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    labels = x.mean((1, 2, 3)).sign().long() + 1
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 0.05)
    for epoch in epochs:
        set_epoch(network.train(), epoch)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), labels).backward()
        optimizer.step()
    return network


def test_the_networks_own_weight_does_not_train() -> None:
    network = _network(2)
    weight = network.network.constant("conv.weight")
    before = weight.clone()
    _trained(network, range(3))
    assert not weight.requires_grad
    assert torch.equal(weight, before)
    assert network.network.constant("conv.bias").requires_grad


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_after_the_search_training_computes_with_what_ships(bits: int) -> None:
    network = _trained(_network(bits), range(5))
    _, quantizer = network.weights["conv.weight"]
    weight = network.network.constant("conv.weight")
    shipped = quantizer.freeze(weight).dequantize()
    assert not np.array_equal(quantizer(weight).detach().numpy(), shipped)
    _trained(network, range(5, 10))
    shipped = quantizer.freeze(weight).dequantize()
    np.testing.assert_array_equal(quantizer(weight).numpy(), shipped)
    assert len(np.unique(shipped)) <= 2**bits
    codes = quantizer.freeze(weight)
    _trained(network, range(10, 15))  # no gradient: the search is over for good
    assert quantizer.freeze(weight) == codes


def test_a_checkpoint_knows_how_far_the_search_is() -> None:
    network, other = _trained(_network(2), range(4)), _network(2)
    other.load_state_dict(network.state_dict())
    x = torch.randn(4, 2, 5, 5, generator=torch.Generator().manual_seed(2))
    assert torch.equal(other.train()(x), network.train()(x))
