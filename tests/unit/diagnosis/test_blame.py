"""The layer that is made bad is the one that is blamed, for what was made bad of it."""

import pytest
import torch
from torch import nn

import intact
from intact import ptq
from intact.capture.export import capture
from intact.diagnosis.blame import blame
from intact.numerics.formats import Int
from intact.numerics.granularity import PerTensor
from intact.ptq import BiasCorrected, Nearest, PtqRule, Recipe
from intact.recipes import recipe

SAMPLES = torch.randn(48, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Residual(nn.Module):
    """A stem, a residual block of two layers, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.a = nn.Conv2d(8, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 8, 1, bias=False)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of 4 classes."""
        x = nn.functional.relu(self.stem(x))
        x = x + self.b(nn.functional.relu(self.a(x)))
        return self.fc(x.mean((2, 3)))


def residual() -> Residual:
    torch.manual_seed(0)
    return Residual().eval()


def made(model: nn.Module, chosen: Recipe) -> ptq.Quantized:
    return ptq.run(chosen, capture(model, (SAMPLES,)), [SAMPLES])


def with_rule(name: str, **changes: object) -> Recipe:
    base = recipe("W8A8").rules[0]
    weight = changes.get("weight", base.weight)
    activation = changes.get("activation", base.activation)
    rule = PtqRule(match=name, weight=weight, activation=activation)  # type: ignore[arg-type]
    return Recipe(rules=(rule, base))


@pytest.mark.parametrize("name", ["stem", "a", "b", "fc"])
def test_a_bad_weight_is_found(name: str) -> None:
    worst, *others = blame(
        made(residual(), with_rule(name, weight=BiasCorrected(Nearest(Int(2, narrow=True))))),
        [SAMPLES],
    )
    assert worst.layer == name
    assert worst.weight == pytest.approx(worst.share, abs=0.05)
    assert worst.share > 0.8
    assert sum(item.share for item in others) < 0.2


@pytest.mark.parametrize(("value", "name"), [("relu", "stem"), ("add", "add"), ("x", "x")])
def test_a_bad_activation_is_found_at_the_layer_that_writes_it(value: str, name: str) -> None:
    worst = blame(made(residual(), with_rule(value, activation=intact.MinMax(Int(3)))), [SAMPLES])[
        0
    ]
    assert worst.layer == name
    assert worst.activation > 0.8


def test_an_outlier_channel_is_found() -> None:
    model = residual()
    with torch.no_grad():  # the same function: ReLU is homogeneous
        assert model.a.bias is not None
        model.a.weight[3] *= 1000
        model.a.bias[3] *= 1000
        model.b.weight[:, 3] /= 1000
    found = blame(made(model, recipe("W8A8-per-tensor")), [SAMPLES])
    assert found[0].layer == "a"


def test_nothing_quantized_is_nobodys_fault() -> None:
    assert blame(made(residual(), Recipe(rules=(PtqRule(),))), [SAMPLES]) == ()


def test_shares_of_a_chain_are_those_of_its_blocks_and_few_samples_are_read() -> None:
    chain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3))
    torch.manual_seed(0)
    read = 0

    def batches() -> object:
        nonlocal read
        for piece in SAMPLES.split(4):
            read += len(piece)
            yield piece

    quantized = made(chain, Recipe(rules=(PtqRule(weight=Nearest(Int(4), PerTensor())),)))
    found = blame(quantized, batches(), samples=8)  # type: ignore[arg-type]
    assert sum(item.share for item in found) == pytest.approx(1)
    assert {item.layer for item in found} == {"0", "3"}
    assert [item.share for item in found] == [item.weight for item in found]
