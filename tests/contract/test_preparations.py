"""What every preparation promises: `Preparation`."""

import numpy as np
import pytest
import torch
from torch import Tensor

from intact.capture.module import from_graph
from intact.errors import CalibrationError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.verify import verify_graph
from intact.ptq import Preparation, silent
from tests.contract.cases import PREPARATIONS
from tests.contract.networks import NETWORKS

every_preparation = pytest.mark.parametrize("prepare", PREPARATIONS, ids=repr)
every_network = pytest.mark.parametrize("name", NETWORKS)


def _outputs(graph: Graph[FloatOp], batches: list[Tensor]) -> np.ndarray:
    with torch.no_grad():
        return torch.cat([from_graph(graph).eval()(x) for x in batches]).numpy()


@every_network
@every_preparation
def test_float_outputs_stay(prepare: Preparation, name: str) -> None:
    graph, batches = NETWORKS[name]
    before = _outputs(graph, batches)
    prepared = prepare(graph, batches, silent)
    atol = 1e-4 * float(np.abs(before).max())
    np.testing.assert_allclose(_outputs(prepared, batches), before, rtol=0, atol=atol)


@every_network
@every_preparation
def test_inputs_and_outputs_keep_their_names(prepare: Preparation, name: str) -> None:
    graph, batches = NETWORKS[name]
    prepared = prepare(graph, batches, silent)
    verify_graph(prepared)
    assert prepared.inputs == graph.inputs
    assert prepared.outputs == graph.outputs


@every_network
@every_preparation
def test_the_same_again_and_the_argument_is_left_alone(prepare: Preparation, name: str) -> None:
    graph, batches = NETWORKS[name]
    copies = {key: array.copy() for key, array in graph.constants.items()}
    first, second = prepare(graph, batches, silent), prepare(graph, iter(batches), silent)
    assert first.nodes == second.nodes
    for key, array in first.constants.items():
        np.testing.assert_array_equal(array, second.constants[key])
    for key, array in copies.items():
        np.testing.assert_array_equal(array, graph.constants[key])


@every_preparation
def test_without_samples_it_works_or_says_so(prepare: Preparation) -> None:
    graph, _ = NETWORKS["residual"]
    try:
        prepared = prepare(graph, [], silent)
    except CalibrationError as found:
        error: CalibrationError | None = found
    else:
        error = None
        assert prepared.outputs == graph.outputs
    assert (error is not None) == prepare.needs_samples
    assert error is None or "no calibration samples" in str(error)
