"""Networks of binary weights and neurons: integers are what was trained, in BNN's traps, too."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.numerics.formats import Binary, Int
from intact.qat import (
    BinaryWeight,
    MovingAverageActivation,
    QatRule,
    SignActivation,
    TernaryWeight,
    TrainableNetwork,
    binary_groups,
    clip_after_steps,
    prepare,
)

EIGHT = partial(MovingAverageActivation, format=Int(8))


class Bnn(nn.Module):
    """The paper's blocks: convolution with padding, pooling, BatchNorm, sign."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8, eps=1e-4)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.pool, self.norm2 = nn.MaxPool2d(2), nn.BatchNorm2d(8, eps=1e-4)
        self.fc, self.norm3 = nn.Linear(8 * 16, 5, bias=False), nn.BatchNorm1d(5, eps=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.conv1(x))
        x = self.norm2(self.pool(self.conv2(x)))
        return self.norm3(self.fc(x.flatten(1)))


def _data() -> tuple[Tensor, Tensor]:
    x = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return x, x.mean((2, 3)).argmax(1)


def _trained(network: TrainableNetwork) -> TrainableNetwork:
    x, labels = _data()
    optimizer = torch.optim.Adam(binary_groups(network, 0.01))
    clip_after_steps(network.train(), optimizer)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), labels).backward()
        optimizer.step()
    return network.eval()


def _rules(neurons: partial[SignActivation] | type[SignActivation]) -> list[QatRule]:
    """Images of 8 bits, signs between layers, scores of 8 bits."""
    return [
        QatRule(match="x", activation=EIGHT),
        QatRule(match="conv2", weight=BinaryWeight, activation=EIGHT),  # it is pooled before
        QatRule(match="fc", weight=BinaryWeight, activation=EIGHT),
        QatRule(weight=BinaryWeight, activation=neurons),
    ]


@pytest.mark.parametrize("stochastic", [False, True])
def test_integers_are_what_was_trained(stochastic: bool) -> None:
    torch.manual_seed(0)
    x, labels = _data()
    neurons = partial(SignActivation, stochastic=stochastic)
    network = _trained(prepare(capture(Bnn(), x[:1]), _rules(neurons)))
    formats = {name: found.format for name, found in network.activations.items()}
    assert formats == {
        "x": Int(8), "conv1": Binary(), "conv2": Int(8), "norm2": Binary(), "fc": Int(8),
    }  # fmt: skip
    with torch.no_grad():
        found, wanted = network(x), network.simulate(x)
    assert isinstance(wanted, Tensor)
    step = float(network.activations["fc"].params().scale)
    assert (found - wanted).abs().max() < 1.5 * step
    assert (found == wanted).float().mean() > 0.9
    assert (found.argmax(1) == labels).float().mean() > 0.4


def test_a_batchnorm_that_no_layer_takes_in_is_not_of_few_bits() -> None:
    # Its rule's weight and input are for layers: it trains unrounded, and ships so but for 8 bits.
    torch.manual_seed(0)
    x, _ = _data()
    rule = QatRule(weight=TernaryWeight, activation=EIGHT, input=SignActivation)
    first = QatRule(match="conv1", weight=TernaryWeight, activation=EIGHT)
    network = _trained(prepare(capture(Bnn(), x[:1]), [first, rule]))
    assert network.activations["conv2"].format == Int(8)
    with torch.no_grad():
        found, wanted = network(x), network.simulate(x)
    assert isinstance(wanted, Tensor)
    assert (found - wanted).abs().max() < 0.03 * float(wanted.abs().max())
