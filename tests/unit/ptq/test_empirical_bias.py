"""Empirical bias correction gives every layer the mean output of the float network."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.model import QuantizedModel
from intact.numerics.formats import Int
from intact.observers import MinMax
from intact.passes.inference import for_inference
from intact.ptq import EmpiricalBiasCorrection, Nearest, PtqRule, quantize, silent
from intact.ptq.simulation import Simulation
from tests.contract.networks import NETWORKS

_RULES = [PtqRule(weight=Nearest(Int(3, narrow=True)), activation=MinMax(Int(8)))]
_WEIGHTS = [PtqRule(weight=Nearest(Int(3, narrow=True)))]


def _means(graph: Graph[FloatOp], model: QuantizedModel | None, batches: list[Tensor]):
    """Of each channel, by the name of the value."""
    values: dict[str, list[Tensor]] = {}

    def see(name: str, x: Tensor) -> None:
        values.setdefault(name, []).append(x)

    with torch.no_grad():
        for x in batches:
            if model is None:
                from_graph(graph).eval().run([x], see)
            else:
                Simulation(model).run([x], see)
    return {
        name: torch.cat(parts).movedim(1, 0).flatten(1).mean(1).numpy()
        for name, parts in values.items()
    }


@pytest.mark.parametrize("memory", [0, 200_000, 1 << 30])
def test_mean_of_a_layer_without_activation_is_that_of_the_float_network(memory: int) -> None:
    graph, batches = NETWORKS["residual"]
    reference, model = for_inference(graph), quantize(graph, _WEIGHTS, batches)
    refined = EmpiricalBiasCorrection(memory=memory)(model, reference, batches, silent)
    real = _means(reference, None, batches)
    before, found = (_means(reference, m, batches) for m in (model, refined))
    for name in ("project.0", "head"):
        assert np.abs(before[name] - real[name]).max() > 1e-3
        np.testing.assert_allclose(found[name], real[name], atol=1e-5)


def _layer(*then: nn.Module) -> tuple[Graph[FloatOp], QuantizedModel, list[Tensor]]:
    """Weights (3, 1) on the grid -3, 0, 3, which are (3, 0); bias 10."""
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 1.0]]))
        layer.bias.fill_(10)
    batches = [torch.tensor([[1.0, 0.0], [3.0, -2.0], [-20.0, -10.0]])]
    graph = capture(nn.Sequential(layer, *then), batches[0])
    model = quantize(graph, [PtqRule(weight=Nearest(Int(2, narrow=True)))], batches)
    assert model.weights["0.weight"].dequantize().tolist() == [[3, 0]]
    return graph, model, batches


def test_one_linear_layer_by_hand() -> None:
    # The second input, -4 on average, no longer counts: outputs rise by 4 on average.
    graph, model, batches = _layer()
    refined = EmpiricalBiasCorrection()(model, graph, batches, silent)
    assert refined.graph.constants["0.bias"].tolist() == [6]


def test_places_that_an_activation_makes_equal_do_not_count() -> None:
    # Outputs 13, 17, -60 have become 13, 19, -50. Behind ReLU the third is 0 as before: the others
    # rose by 1 on average. Behind ReLU6 all are as before.
    for activation, bias in ((nn.ReLU(), 9), (nn.ReLU6(), 10)):
        graph, model, batches = _layer(activation)
        refined = EmpiricalBiasCorrection()(model, graph, batches, silent)
        assert refined.graph.constants["0.bias"].tolist() == [bias]


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
