"""Empirical bias correction gives every layer the mean output of the float network."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.numerics.formats import Int
from intact.observers import MinMax
from intact.passes.inference import for_inference
from intact.ptq import EmpiricalBiasCorrection, Nearest, PtqRule, quantize, silent
from intact.ptq.simulation import Simulation
from tests.contract.networks import NETWORKS

_RULES = [PtqRule(weight=Nearest(Int(3, narrow=True)), activation=MinMax(Int(8)))]


def _means(values: dict[str, list[Tensor]], name: str, axis: int) -> np.ndarray:
    return torch.cat([x.movedim(axis, 0).flatten(1) for x in values[name]], 1).mean(1).numpy()


def _watched(values: dict[str, list[Tensor]]):
    def see(name: str, x: Tensor) -> None:
        values.setdefault(name, []).append(x)

    return see


@pytest.mark.parametrize("memory", [0, 200_000, 1 << 30])
def test_mean_of_each_layer_is_that_of_the_float_network(memory: int) -> None:
    graph, batches = NETWORKS["residual"]
    reference, model = for_inference(graph), quantize(graph, _RULES, batches)
    method = EmpiricalBiasCorrection(memory=memory)
    refined = method(model, reference, batches, silent)
    # Values before their activation are not rounded, and so are seen as the layer computes them.
    real: dict[str, list[Tensor]] = {}
    found: dict[str, list[Tensor]] = {}
    before: dict[str, list[Tensor]] = {}
    with torch.no_grad():
        for x in batches:
            from_graph(reference).eval().run([x], _watched(real))
            Simulation(refined).run([x], _watched(found))
            Simulation(model).run([x], _watched(before))
    for name in ("stem.0", "expand.0", "depthwise.0", "grouped"):
        np.testing.assert_allclose(_means(found, name, 1), _means(real, name, 1), atol=1e-5)
        assert np.abs(_means(before, name, 1) - _means(real, name, 1)).max() > 1e-3


def test_one_linear_layer_by_hand() -> None:
    # On the grid -3, 0, 3 the weights (3, 1) are (3, 0). The mean input is (2, -1), so the mean
    # output rises from 6 - 1 to 6, and the bias falls from 10 to 9.
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 1.0]]))
        layer.bias.fill_(10)
    batches = [torch.tensor([[1.0, 0.0], [3.0, -2.0]])]
    graph = capture(nn.Sequential(layer), batches[0])
    model = quantize(graph, [PtqRule(weight=Nearest(Int(2, narrow=True)))], batches)
    assert model.weights["0.weight"].dequantize().tolist() == [[3, 0]]
    refined = EmpiricalBiasCorrection()(model, graph, batches, silent)
    assert refined.graph.constants["0.bias"].tolist() == [9]


def test_only_the_first_samples_are_read() -> None:
    graph, batches = NETWORKS["residual"]
    model = quantize(graph, _RULES, batches)
    read = 0

    def counted():
        nonlocal read
        for batch in batches:
            read += 1
            yield batch

    method, reference = EmpiricalBiasCorrection(samples=3), for_inference(graph)
    limited = method(model, reference, counted(), silent).graph.constants["head.bias"]
    assert read == 1
    three = method(model, reference, [batches[0][:3]], silent).graph.constants["head.bias"]
    np.testing.assert_array_equal(limited, three)
