"""Ranges and means from BatchNorm alone, close to what samples would have given."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import intact
from intact.capture.export import capture
from intact.errors import CalibrationError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.metrics import sqnr_db
from intact.numerics.formats import Int
from intact.numerics.granularity import PerTensor
from intact.observers import MinMax, Percentile
from intact.ptq import (
    AbsorbBias,
    BiasCorrected,
    Equalize,
    FromBatchNorm,
    Nearest,
    PtqRule,
    Recipe,
    observe,
    run,
    silent,
)

_RULES = (PtqRule(weight=BiasCorrected(Nearest(Int(8, narrow=True))), activation=MinMax(Int(8))),)
_SHAPE = (3, 16, 16)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
        self.branch = nn.Sequential(
            nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6(),
            nn.Dropout(), nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16),
        )  # fmt: skip
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head((x + self.branch(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """With statistics as a training leaves them: those of the data."""
    torch.manual_seed(0)
    model = Residual()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
            module.momentum = None  # all batches count the same
    with torch.no_grad():
        for _ in range(4):
            model.train()(_samples(64))
    return model.eval()


def _samples(count: int) -> Tensor:
    return torch.randn(count, *_SHAPE).clamp(-2, 2)


@pytest.fixture(scope="module")
def graph(trained: nn.Module) -> Graph[FloatOp]:
    return capture(trained, _samples(2))


def test_ranges_are_near_those_of_samples(graph: Graph[FloatOp]) -> None:
    found = FromBatchNorm()(graph, _RULES, (), silent)
    seen = observe(graph, _RULES, [_samples(256)])
    assert found.statistics.keys() == seen.statistics.keys()
    for name, statistics in found.statistics.items():
        low, high = statistics.seen
        true_low, true_high = seen.statistics[name].seen
        width = true_high - true_low
        assert low < true_low + 0.1 * width, name
        assert high > true_high - 0.1 * width, name
        if name not in ("mean", "head"):  # of noise, a mean over space is far smaller
            assert high - low < 3 * width, name


def test_means_are_near_those_of_samples(graph: Graph[FloatOp]) -> None:
    found = FromBatchNorm(input_range=(-2, 2))(graph, _RULES, (), silent)
    seen = observe(graph, _RULES, [_samples(256)])
    assert found.means.keys() == seen.means.keys()
    for name, mean in found.means.items():
        np.testing.assert_allclose(mean.mean, seen.means[name].mean, atol=0.3, err_msg=name)


def test_a_range_is_that_of_the_widest_channel() -> None:
    """Beta + 6 gamma in front of a ReLU, with eps: where variance << eps, far less than gamma."""
    model = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2, eps=1e-3), nn.ReLU())
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([-0.5, 100]))
        model[1].bias.copy_(torch.tensor([1.0, 2]))
        model[1].running_var.copy_(torch.tensor([1.0, 1e-12]))
    graph = capture(model.eval(), _samples(2))
    low, high = FromBatchNorm()(graph, _RULES, (), silent).statistics["2"].seen
    assert low == 0
    assert high == pytest.approx(1 + 6 * 0.5, rel=1e-3)


def test_only_the_format_of_the_observer_counts(graph: Graph[FloatOp]) -> None:
    rules = (PtqRule(activation=Percentile(Int(16), symmetric=True)),)
    statistics = FromBatchNorm()(graph, rules, (), silent).statistics
    for params in (each.params() for each in statistics.values()):
        assert params.format == Int(16)
        assert params.zero_point is None


@pytest.mark.parametrize("before", [(), (Equalize(), AbsorbBias())], ids=["plain", "equalized"])
def test_a_network_without_samples_is_nearly_float(
    trained: nn.Module, before: tuple[Equalize | AbsorbBias, ...]
) -> None:
    per_tensor = BiasCorrected(Nearest(Int(8, narrow=True), PerTensor()))
    rules = (PtqRule(weight=per_tensor, activation=MinMax(Int(8))),)
    recipe = Recipe(rules=rules, before=before, observe=FromBatchNorm())
    network = intact.quantize(trained, example_input=_samples(2), recipe=recipe)
    x = _samples(32)
    with torch.no_grad():
        real = trained(x).numpy()
    assert sqnr_db(intact.compile(network)(x.numpy()), real) > 20


def test_a_network_without_batchnorm_is_refused() -> None:
    graph = capture(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()), _samples(2))
    with pytest.raises(CalibrationError, match=r"no BatchNorm.*EstimateBatchNorm"):
        FromBatchNorm()(graph, _RULES, (), silent)


def test_an_input_that_is_no_image_must_be_told() -> None:
    graph = capture(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).eval(), torch.zeros(2, 4))
    recipe = Recipe(rules=_RULES, observe=FromBatchNorm())
    with pytest.raises(CalibrationError, match=r"range of the input.*input_range=\(low, high\)"):
        run(recipe, graph)
    told = FromBatchNorm(input_range=(-3, 5))(graph, _RULES, (), silent)
    assert told.statistics[graph.inputs[0].name].seen == (-3, 5)


def test_an_input_far_from_what_was_trained_on_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16, momentum=None))
    with torch.no_grad():
        model.train()(torch.rand(16, *_SHAPE) * 255)
    graph = capture(model.eval(), _samples(2))
    with pytest.raises(CalibrationError, match=r"means \[12.*outside of -2.1.*input_range"):
        FromBatchNorm()(graph, _RULES, (), silent)
    FromBatchNorm(input_range=(0, 255))(graph, _RULES, (), silent)
