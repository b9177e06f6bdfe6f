"""AWQ: a channel that is large gets finer steps, and the layer's output errs less."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.formats import Int
from intact.ptq import (
    Awq,
    BiasCorrected,
    Nearest,
    NearestInGroups,
    PtqRule,
    Recipe,
    WeightMethod,
    quantize,
    silent,
)
from intact.ptq.simulation import Simulation

_INT4 = Nearest(Int(4, narrow=True))


def _error(graph: Graph[FloatOp], recipe: Recipe, x: Tensor) -> float:
    """Mean square of what quantization adds to the output."""
    with torch.no_grad():
        real = from_graph(graph).eval().run([x])[0]
        found = Simulation(quantize(graph, recipe, [x])).run([x])[0]
    return float((found - real).square().mean())


def _recipe(method: WeightMethod, *before: Awq) -> Recipe:
    return Recipe(rules=(PtqRule(weight=method),), before=before)


def test_a_large_channel_by_hand() -> None:
    # x = (+-16, +-1), W = (0.4, 7). Codes -7..7 of step 1 make 0.4 to 0, an error of 0.4 * 16.
    # alpha 1/2: s = (4, 1) / 2, W s = (0.8, 3.5), step 0.5: 1.0 / 2 is 0.5, an error of 0.1 * 16.
    # alpha 1: s = (16, 1) / 4, W s = (1.6, 1.75), step 0.25: 1.5 / 4 is 0.375, 0.025 * 16.
    norm, layer = nn.BatchNorm1d(2, eps=0), nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([16.0, 1.0]))
        layer.weight.copy_(torch.tensor([[0.4, 7.0]]))
    x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    graph = capture(nn.Sequential(norm, layer).eval(), x)
    awq = Awq(_INT4, steps=2)
    scaled = awq(graph, [x], silent)
    np.testing.assert_allclose(scaled.constants["0.weight"], [4, 4], rtol=1e-5)
    np.testing.assert_allclose(scaled.constants["1.weight"], [[1.6, 1.75]], rtol=1e-5)
    assert _error(graph, _recipe(_INT4), x) == pytest.approx(6.4**2, rel=1e-4)
    assert _error(graph, _recipe(_INT4, awq), x) == pytest.approx(0.4**2, rel=1e-4)


@pytest.mark.parametrize(
    "method", [_INT4, NearestInGroups(Int(4, narrow=True), 8), BiasCorrected(_INT4)], ids=repr
)
def test_one_large_channel_among_many(method: WeightMethod) -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 16)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16)).eval()
    with torch.no_grad():
        model[0].weight[3] *= 30
    graph = capture(model, x)
    rule = PtqRule(match="2", weight=method)
    plain = _error(graph, Recipe(rules=(rule,)), x)
    assert _error(graph, Recipe(rules=(rule,), before=(Awq(method),)), x) < plain / 2


def test_scales_of_a_depthwise_convolution_gain_nothing_and_are_left() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 3, 8, 8)
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU6(), nn.Conv2d(4, 4, 3, groups=4)).eval()
    graph = capture(model, x)
    scaled = Awq(_INT4)(graph, [x], silent)
    assert scaled.nodes == graph.nodes
    np.testing.assert_array_equal(scaled.constants["0.weight"], graph.constants["0.weight"])


def test_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="not 0"):
        Awq(_INT4, steps=0)
