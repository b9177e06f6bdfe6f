"""What every refinement promises: `Refinement`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from intact.capture.module import from_graph
from intact.errors import CalibrationError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.model import QuantizedModel
from intact.numerics.formats import Int
from intact.observers import MinMax
from intact.passes.inference import for_inference
from intact.ptq import Nearest, PtqRule, Refinement, quantize, silent
from intact.ptq.simulation import Simulation
from tests.contract.cases import REFINEMENTS
from tests.contract.networks import NETWORKS

every_refinement = pytest.mark.parametrize("refinement", REFINEMENTS, ids=repr)
every_network = pytest.mark.parametrize("name", NETWORKS)
_RULES = [PtqRule(weight=Nearest(Int(4, narrow=True)), activation=MinMax(Int(8)))]
_TOLERANCE = 1.05


def _made(name: str) -> tuple[QuantizedModel, Graph[FloatOp], list[Tensor]]:
    graph, batches = NETWORKS[name]
    return quantize(graph, _RULES, batches), for_inference(graph), batches


def _error(model: QuantizedModel, reference: Graph[FloatOp], batches: list[Tensor]) -> float:
    """Squared error of the output on the calibration data."""
    simulation, real = Simulation(model), from_graph(reference).eval()
    with torch.no_grad():
        return sum(float((simulation.run([x])[0] - real(x)).square().sum()) for x in batches)


def _same(a: QuantizedModel, b: QuantizedModel) -> bool:
    constants = a.graph.constants
    return (
        a.weights == b.weights
        and a.activations == b.activations
        and constants.keys() == b.graph.constants.keys()
        and all(np.array_equal(constants[name], b.graph.constants[name]) for name in constants)
    )


@every_network
@every_refinement
def test_layers_formats_and_shapes_of_scales_stay(refinement: Refinement, name: str) -> None:
    model, reference, batches = _made(name)
    refined = refinement(model, reference, batches, silent)
    assert refined.graph.inputs == model.graph.inputs
    assert refined.graph.outputs == model.graph.outputs
    assert [(node.op, node.output) for node in refined.graph.nodes] == [
        (node.op, node.output) for node in model.graph.nodes
    ]
    assert refined.activations.keys() == model.activations.keys()
    assert refined.weights.keys() == model.weights.keys()
    for key, weight in model.weights.items():
        now = refined.weights[key]
        assert now.shape == weight.shape
        assert now.params.format == weight.params.format
        assert now.params.scale.shape == weight.params.scale.shape


@every_network
@every_refinement
def test_error_on_the_calibration_data_does_not_rise(refinement: Refinement, name: str) -> None:
    model, reference, batches = _made(name)
    refined = refinement(model, reference, batches, silent)
    before, after = (_error(m, reference, batches) for m in (model, refined))
    assert after <= before * _TOLERANCE


@every_network
@every_refinement
def test_the_same_again_and_the_argument_is_left_alone(refinement: Refinement, name: str) -> None:
    model, reference, batches = _made(name)
    constants = {key: array.copy() for key, array in model.graph.constants.items()}
    before = replace(model, graph=replace(model.graph, constants=constants))
    first = refinement(model, reference, batches, silent)
    second = refinement(model, reference, iter(batches), silent)
    assert _same(first, second)
    assert _same(model, before)


@every_refinement
def test_without_samples_it_says_so(refinement: Refinement) -> None:
    model, reference, _ = _made("residual")
    with pytest.raises(CalibrationError, match="no calibration samples"):
        refinement(model, reference, [], silent)
