"""A small digits network that is fine, and four faults that are planted into it.

What the float network computes stays as it is, but for one channel of 32 that the dead channel
takes away: the faults spoil quantization alone.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

import intact
from examples.digits.data import Digits, load_test, load_train
from intact.recipes import RECIPES

_HALF = 8  # channels of the sum that only one operand uses
_SCALE = 1024.0


class Planted(nn.Module):
    """Stem, a sum whose operands use different channels, two depthwise layers, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(16)
        self.stem_relu = nn.ReLU()
        self.widen = nn.Conv2d(16, 16, 1, bias=False)
        self.widen_bn = nn.BatchNorm2d(16)
        self.widen_relu = nn.ReLU()
        self.branch = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.branch_bn = nn.BatchNorm2d(16)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
        self.depthwise_bn = nn.BatchNorm2d(16)
        self.depthwise_relu = nn.ReLU()
        self.pointwise = nn.Conv2d(16, 32, 1, bias=False)
        self.pointwise_bn = nn.BatchNorm2d(32)
        self.pointwise_relu = nn.ReLU()
        self.last = nn.Conv2d(32, 32, 3, stride=2, padding=1, groups=32, bias=False)
        self.last_bn = nn.BatchNorm2d(32)
        self.last_relu = nn.ReLU()
        self.classifier = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_relu(self.stem_bn(self.stem(x)))
        branch = self.widen_relu(self.widen_bn(self.widen(x)))
        x = x + self.branch_bn(self.branch(branch))
        x = self.depthwise_relu(self.depthwise_bn(self.depthwise(x)))
        x = self.pointwise_relu(self.pointwise_bn(self.pointwise(x)))
        x = self.last_relu(self.last_bn(self.last(x)))
        return self.classifier(x.mean((2, 3)))

    @torch.no_grad()
    def separate(self) -> None:
        """The stem writes the first channels alone, the branch the others."""
        self.stem_bn.weight[_HALF:] = 0
        self.stem_bn.bias[_HALF:] = 0
        self.branch_bn.weight[:_HALF] = 0
        self.branch_bn.bias[:_HALF] = 0


@cache
def trained() -> Planted:
    """The network as it should be, the same every time; takes some seconds."""
    data = load_train()
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Planted()
    epochs, batch = 12, 64
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.02, total_steps=epochs * (len(data.labels) // batch)
    )
    network.separate()
    for _ in range(epochs):
        order = torch.randperm(len(data.labels), generator=generator)
        for indices in order[: len(order) // batch * batch].split(batch):
            loss = functional.cross_entropy(network(data.images[indices]), data.labels[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            network.separate()
    return network.eval()


@dataclass(frozen=True)
class Fault:
    """A network with a fault, how it was quantized, and what the doctor should say first."""

    name: str
    plant: Callable[[Planted], None]
    recipe: str | intact.Recipe
    layer: str
    cause: str

    def network(self) -> Planted:
        """The float network with the fault."""
        network = deepcopy(trained())
        with torch.no_grad():
            self.plant(network)
        return network


def outlier_channel(network: Planted) -> None:
    """Channel 7 of the pointwise layer is far larger; the next layer takes it back."""
    network.pointwise_bn.weight[7] *= _SCALE
    network.pointwise_bn.bias[7] *= _SCALE
    network.last.weight[7] /= _SCALE


def dead_channel(network: Planted) -> None:
    """Channel 9 of the pointwise layer is always 0, so that the next BatchNorm's variance is 0."""
    network.pointwise_bn.weight[9] = 0
    network.pointwise_bn.bias[9] = 0
    network.last.weight[9] *= 4
    network.last_bn.running_mean[9] = 0
    network.last_bn.running_var[9] = 0


def tiny_sum(network: Planted) -> None:
    """What the stem adds to the sum is far larger than what the branch adds."""
    network.stem_bn.weight[:_HALF] *= _SCALE
    network.stem_bn.bias[:_HALF] *= _SCALE
    network.widen.weight[:, :_HALF] /= _SCALE
    network.widen.weight[:, _HALF:] = 0  # these channels of the stem are 0
    network.depthwise.weight[:_HALF] /= _SCALE


def nothing(network: Planted) -> None:
    """No fault."""


_CLIPPED = intact.PtqRule(
    match="pointwise_relu",
    weight=RECIPES["W8A8"].rules[0].weight,
    activation=intact.Percentile(intact.Int(8), q=70.0),
)
_UNPREPARED = intact.Recipe(rules=RECIPES["W8A8-per-tensor"].rules)  # which would repair it
FAULTS = (
    Fault("outlier channel", outlier_channel, "W8A8", "pointwise", "outlier_channel"),
    Fault("dead channel", dead_channel, _UNPREPARED, "last", "dead_channel"),
    Fault("tiny-scale sum", tiny_sum, "W8A8", "add", "tiny_addend"),
    Fault(
        "clipped range",
        nothing,
        replace(RECIPES["W8A8"], rules=(_CLIPPED, *RECIPES["W8A8"].rules)),
        "pointwise",
        "range_clipped",
    ),
)


def calibration() -> list[Tensor]:
    """128 pictures in two batches."""
    return list(load_train().images[:128].split(64))


def held_out() -> Digits:
    """The 450 test pictures."""
    return load_test()
