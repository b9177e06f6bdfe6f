"""BatchNorms that come back change nothing and know what the layers give."""

import numpy as np
import pytest
import torch
from torch import nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.passes.fold_batchnorm import output_moments
from intact.passes.inference import for_inference
from intact.ptq import EstimateBatchNorm, silent


def _model() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU6(), nn.Conv2d(6, 4, 3, bias=False), nn.BatchNorm2d(4),
        nn.Flatten(), nn.Linear(4 * 16, 5), nn.ReLU(), nn.Linear(5, 2),
    )  # fmt: skip
    with torch.no_grad():
        model[0].weight[2] = 0  # a channel that never varies
    return model.eval()


def test_layers_without_get_one_that_knows_their_outputs() -> None:
    x = torch.randn(24, 3, 8, 8)
    graph = capture(_model(), x[:2])
    made = EstimateBatchNorm()(graph, [x[:16], x[16:]], silent)
    norms = [node for node in made.nodes if isinstance(node.op, ops.BatchNorm)]
    assert [node.name for node in norms] == ["0.norm", "3", "5.norm"]
    seen: dict[str, np.ndarray] = {}
    with torch.no_grad():
        from_graph(graph).eval().run((x,), lambda name, y: seen.__setitem__(name, y.numpy()))
    for norm in (norms[0], norms[2]):
        output = np.moveaxis(seen[norm.inputs[0].name], 1, 0).reshape(norm.output.shape[1], -1)
        mean, deviation = output_moments(norm, made.constants)
        np.testing.assert_allclose(mean, output.mean(axis=1), atol=1e-5)
        np.testing.assert_allclose(deviation, output.std(axis=1), atol=1e-5)


def test_folded_the_network_is_what_it_was() -> None:
    x = torch.randn(8, 3, 8, 8)
    graph = capture(_model(), x[:2])
    made = for_inference(EstimateBatchNorm()(graph, [x], silent))
    before = for_inference(graph)
    assert [node.name for node in made.nodes] == [node.name for node in before.nodes]
    for node in before.nodes:
        again = made.producers()[node.name]
        for value, other in zip(node.inputs[1:], again.inputs[1:], strict=True):
            np.testing.assert_allclose(
                made.constants[other.name], before.constants[value.name], rtol=1e-5, atol=1e-6
            )


def test_no_more_samples_are_read_than_asked_for() -> None:
    graph = capture(_model(), torch.randn(2, 3, 8, 8))
    told: list[int] = []
    EstimateBatchNorm(samples=1)(
        graph, [torch.randn(40, 3, 8, 8)] * 5000, lambda _, done, __=None: told.append(done)
    )
    assert told[-1] < 200_000


def test_without_samples_it_says_so() -> None:
    graph = capture(_model(), torch.randn(2, 3, 8, 8))
    with pytest.raises(CalibrationError, match="estimate BatchNorm give at least one batch"):
        EstimateBatchNorm()(graph, [], silent)
