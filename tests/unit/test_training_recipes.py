"""Every recipe of training prepares a network as its name says, and it ends in integers."""

import re

import pytest
import torch
from torch import nn

import intact
from intact.numerics.qtensor import ScaledTensor
from intact.training_recipes import TRAINING_RECIPES, training_recipe

_X = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Network(nn.Module):
    """A residual block between a first and a last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.inner = nn.Sequential(
            nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
            nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6),
        )  # fmt: skip
        self.last = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.last((self.inner(x) + x).relu().mean((2, 3)))


@pytest.mark.parametrize("name", TRAINING_RECIPES)
def test_a_recipe_gives_the_bits_of_its_name(name: str) -> None:
    torch.manual_seed(0)
    network = intact.prepare(Network(), name, example_input=_X).train()
    for _ in range(2):
        out = network(_X)
        assert isinstance(out, torch.Tensor)
        out.square().sum().backward()
    found = re.match(r"W(\d)A(\d)", name)
    assert found is not None
    bits = {node: q.format.bits for node, q in network.activations.items()}
    assert bits["inner.0.input" if int(found[2]) < 8 or "lsq" in name else "inner.2"] == int(
        found[2]
    )
    quantized = intact.convert(network.eval())
    assert quantized.stays_float == {}
    weights = quantized.model.weights
    inner = weights["inner.0.weight"]
    assert isinstance(inner, ScaledTensor)
    assert inner.params.format.bits == int(found[1])
    last = weights["last.weight"]
    assert isinstance(last, ScaledTensor)
    assert last.params.format.bits == 8
    assert intact.compile(quantized)(_X.numpy()).shape == (8, 4)


def test_a_wrong_name_is_an_error_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="W4A4-lsq"):
        training_recipe("W4A4-lqs")
