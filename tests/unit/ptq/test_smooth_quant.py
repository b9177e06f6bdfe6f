"""SmoothQuant: an outlier channel no longer takes the codes of all others."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.exec import reference
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.lower.lower import lower
from intact.metrics import sqnr_db
from intact.numerics.formats import Int
from intact.numerics.granularity import PerTensor
from intact.observers import MinMax
from intact.passes.chains import norm_chains
from intact.ptq import Nearest, PtqRule, Recipe, SmoothQuant, quantize, silent
from tests.architectures.bert import Bert
from tests.architectures.vit import VisionTransformer

_RULES = (PtqRule(weight=Nearest(Int(8, narrow=True), PerTensor()), activation=MinMax(Int(8))),)


def test_two_channels_by_hand() -> None:
    # max|X| = (16, 1) and max|W| = (1, 4): s = sqrt(16 / 1), sqrt(1 / 4) = 4, 0.5, so that both
    # are 4 and 2 afterwards, as the paper says of alpha = 1/2.
    norm, layer = nn.BatchNorm1d(2), nn.Linear(2, 2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([16.0, 1.0]))
        layer.weight.copy_(torch.tensor([[1.0, 4.0], [-0.5, 1.0]]))
    x = torch.tensor([[1.0, -1.0], [-0.5, 0.25]]) * (1 + norm.eps) ** 0.5
    graph = capture(nn.Sequential(norm, layer).eval(), x)
    smooth = SmoothQuant()(graph, [x], silent)
    np.testing.assert_allclose(smooth.constants["0.weight"], [4, 2], rtol=1e-5)
    np.testing.assert_allclose(smooth.constants["1.weight"], [[4, 2], [-2, 0.5]], rtol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_alpha_says_which_side_becomes_even(alpha: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(32, 6) * torch.logspace(-2, 2, 6)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    graph = SmoothQuant(alpha)(capture(model, x), [x], silent)
    values: dict[str, Tensor] = {}
    from_graph(graph).eval().run([x], lambda name, y: values.update({name: y}))
    sides = (np.abs(graph.constants["2.weight"]).max(0), values["1"].detach().abs().amax(0).numpy())
    np.testing.assert_allclose(sides[int(alpha)], 1, rtol=1e-4)


def _planted(graph: Graph[FloatOp]) -> Graph[FloatOp]:
    """Channel 3 behind each norm that layers alone read is 100 times larger, its weights less."""
    constants = {name: array.copy() for name, array in graph.constants.items()}
    for chain in norm_chains(graph):
        for value in chain.norm.inputs[1:]:
            constants[value.name][3] *= 100
        for layer in chain.second:
            constants[layer.node.inputs[1].name][:, 3] /= 100
    return Graph(graph.inputs, graph.outputs, graph.nodes, constants)


def _sqnr(graph: Graph[FloatOp], recipe: Recipe, batches: list[Tensor]) -> float:
    program = lower(quantize(graph, recipe, batches))
    name, output = graph.inputs[0].name, graph.outputs[0].name
    with torch.no_grad():
        real = from_graph(graph).eval().run([batches[0]])[0].numpy()
    return sqnr_db(reference.load(program)({name: batches[0].numpy()})[output], real)


def test_an_outlier_channel_in_a_vision_transformer() -> None:
    torch.manual_seed(0)
    model = VisionTransformer(
        image_size=32, patch_size=8, width=32, heads=2, depth=2, num_classes=10
    )
    batches = [torch.randn(8, 3, 32, 32)]
    graph = _planted(capture(model.eval(), batches[0]))
    before = _sqnr(graph, Recipe(rules=_RULES), batches)
    after = _sqnr(graph, Recipe(rules=_RULES, before=(SmoothQuant(),)), batches)
    assert after > before + 6


def test_what_a_sum_reads_as_well_is_left() -> None:
    torch.manual_seed(0)
    model = Bert(vocabulary=50, max_tokens=8, width=16, heads=2, depth=1).eval()
    ids = torch.randint(0, 50, (4, 8))
    graph = capture(model, ids)
    assert not norm_chains(graph)
    smooth = SmoothQuant()(graph, [ids], silent)
    for name, array in graph.constants.items():
        np.testing.assert_array_equal(smooth.constants[name], array)


def test_a_share_outside_of_0_and_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not 1\.5"):
        SmoothQuant(1.5)
