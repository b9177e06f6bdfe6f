"""Rules of training: inputs of layers, gradients, and evaluation by integers."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.exec import reference
from intact.lower.lower import lower
from intact.numerics.formats import Int
from intact.qat import (
    LsqActivation,
    LsqWeight,
    MovingAverageActivation,
    QatRule,
    TrainableNetwork,
    finish,
    prepare,
)


class Stream(nn.Module):
    """A residual stream that two layers and a sum read."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.left, self.right = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=1)
        self.inner, self.last = nn.Conv2d(4, 4, 1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        x = (self.left(x) + self.inner(self.right(x).relu()) + x).relu()
        return self.last(x.mean((2, 3)))


def images(count: int = 8) -> Tensor:
    return torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(count))


NARROW = QatRule(
    weight=partial(LsqWeight, format=Int(4, narrow=True)),
    activation=MovingAverageActivation,
    input=partial(LsqActivation, format=Int(2)),
)


def trained(rules: list[QatRule], model: nn.Module | None = None) -> TrainableNetwork:
    torch.manual_seed(0)
    network = prepare(capture(model or Stream(), images()[:1]), rules).train()
    for count in (8, 12, 16):
        out = network(images(count))
        assert isinstance(out, Tensor)
        out.square().sum().backward()
    return network.eval()


class TestInput:
    def test_the_stream_keeps_its_codes_and_each_layer_reads_its_own(self) -> None:
        network = trained([NARROW])
        formats = {name: q.format.bits for name, q in network.activations.items()}
        assert formats["relu"] == 8
        assert formats["left.input"] == formats["right.input"] == 2
        assert "inner.input" not in formats  # nothing else reads what it reads
        assert formats["relu_1"] == 2
        assert formats["x"] == 2
        assert formats["last"] == 8

    def test_through_pooling_a_layers_only_input_is_rounded_once(self) -> None:
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)
        )
        network = trained([NARROW], model)
        bits = [q.format.bits for q in network.activations.values()]
        assert bits == [2, 2, 8]  # the image, the ReLU that pooling reads, the output

    def test_it_ends_in_integers(self) -> None:
        network = trained([NARROW])
        program = lower(finish(network))
        found = reference.load(program)({"x": images().numpy()})[program.outputs[0].name]
        wanted = network.simulate(images())
        assert isinstance(wanted, Tensor)
        step = float(network.activations["last"].params().scale)
        assert (
            np.abs(found - wanted.detach().numpy()).max() <= 20 * step
        )  # biases lie on a coarse grid

    def test_a_layer_without_it_reads_the_value_as_it_is(self) -> None:
        network = trained([QatRule(match="right", input=LsqActivation), QatRule()])
        assert set(network.activations) == {"right.input"}


class Halved(nn.Module):
    """Halves the gradient, and keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, gradient: Tensor) -> Tensor:
        self.seen.append(gradient)
        return gradient / 2


def test_the_gradient_at_a_layers_output_is_quantized() -> None:
    torch.manual_seed(0)
    model = Stream()
    network = prepare(
        capture(copy.deepcopy(model), images()[:1]),
        [QatRule(match="right", gradient=Halved), QatRule()],
    ).train()
    for run in (model, network):
        run(images()).square().sum().backward()
    (quantizer,) = network.gradients.values()
    assert isinstance(quantizer, Halved)
    assert quantizer.seen[0].shape == (8, 4, 6, 6)
    for name, share in (("right.weight", 0.5), ("right.bias", 0.5), ("left.weight", 1.0)):
        gradient = network.network.get_parameter(name).grad
        wanted = model.get_parameter(name).grad
        assert wanted is not None
        torch.testing.assert_close(gradient, wanted * share)


class TestEvaluation:
    def test_it_runs_the_integers_of_the_present_weights(self) -> None:
        network = trained([NARROW])
        first = network(images())
        with torch.no_grad():
            network.network.get_parameter("last.bias").add_(1.0)
        program = lower(finish(network))
        wanted = reference.load(program)({"x": images().numpy()})[program.outputs[0].name]
        second = network(images())
        np.testing.assert_array_equal(second, wanted)
        assert not torch.equal(first, second)

    def test_before_any_data_it_simulates(self) -> None:
        torch.manual_seed(0)
        model = Stream().eval()
        rule = QatRule(activation=MovingAverageActivation)
        network = prepare(capture(model, images()[:1]), [rule]).eval()
        torch.testing.assert_close(network(images()), model(images()))

    def test_a_copy_has_integers_of_its_own(self) -> None:
        network = trained([NARROW])
        network(images())
        other = copy.deepcopy(network)
        with torch.no_grad():
            other.network.get_parameter("last.bias").add_(1.0)
        assert not torch.equal(other(images()), network(images()))


def test_a_rule_of_training_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nearest names"):
        prepare(capture(Stream(), images()[:1]), [QatRule(match="lft", input=LsqActivation)])
