"""Bias correction moves a layer's mean output back to where it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.exec.reference import load
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.lower.lower import lower
from intact.metrics import sqnr_db
from intact.numerics.formats import FP32, Int
from intact.ptq import BiasCorrected, Nearest, PtqRule, merge, observe, quantize, quantize_from
from intact.ptq.bias_correction import mean_error
from intact.recipes import recipe

_COARSE = Nearest(Int(3, narrow=True))
_CORRECTED = [PtqRule(weight=BiasCorrected(_COARSE))]
LAYERS = {
    "conv": (lambda: nn.Conv2d(4, 6, 3), (4, 9, 8)),
    "conv-no-bias": (lambda: nn.Conv2d(4, 6, 3, bias=False), (4, 9, 8)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, stride=2, groups=2), (4, 9, 9)),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4), (4, 9, 8)),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3), (4, 12)),
    "linear": (lambda: nn.Linear(5, 7), (5,)),
    "linear-rows": (lambda: nn.Linear(5, 7, bias=False), (3, 5)),
}


def _network(layer: nn.Module, shape: tuple[int, ...]) -> Graph[FloatOp]:
    return capture(nn.Sequential(layer), torch.zeros(2, *shape))


def _dequantized(model) -> Graph[FloatOp]:
    constants = dict(model.graph.constants)
    constants.update({name: weight.dequantize() for name, weight in model.weights.items()})
    return Graph(model.graph.inputs, model.graph.outputs, model.graph.nodes, constants)


def _means(graph: Graph[FloatOp], x: torch.Tensor, axis: int) -> np.ndarray:
    with torch.no_grad():
        y = from_graph(graph).eval()(x).movedim(axis, 0).flatten(1)
    return y.double().mean(1).numpy()


@pytest.mark.parametrize("name", LAYERS)
def test_mean_output_is_kept_on_inputs_of_constant_mean(name: str) -> None:
    torch.manual_seed(3)
    make, shape = LAYERS[name]
    graph = _network(make(), shape)
    # One number for each channel of each sample: every tap then has the channel's mean input.
    rows = len(shape) == 1 or name.startswith("linear")
    size = shape if rows else (shape[0],) + (1,) * (len(shape) - 1)
    x = torch.randn(64, *size).add(1.5).expand(64, *shape).contiguous()
    axis = -1 if rows else 1
    real = _means(graph, x, axis)
    plain = _means(_dequantized(quantize(graph, [PtqRule(weight=_COARSE)], [x])), x, axis)
    corrected = _means(_dequantized(quantize(graph, _CORRECTED, [x])), x, axis)
    assert np.abs(plain - real).max() > 0.01
    np.testing.assert_allclose(corrected, real, atol=1e-5)


def test_a_transposed_convolution_shares_its_taps_among_the_pixels() -> None:
    error = np.arange(4.0 * 3 * 2 * 2).reshape(4, 3, 2, 2) / 10
    mean = np.array([1.0, -2.0, 0.5, 3.0])
    op = ops.ConvTranspose((2, 2), ((0, 0), (0, 0)), (0, 0), (1, 1), groups=2)
    shift = mean_error(op, error, mean)
    x = torch.from_numpy(np.broadcast_to(mean[:, None, None], (4, 5, 5)).copy())[None]
    y = torch.nn.functional.conv_transpose2d(x, torch.from_numpy(error), stride=2, groups=2)
    np.testing.assert_allclose(shift, y.mean((0, 2, 3)).numpy())


def test_a_layer_without_bias_gets_one() -> None:
    graph = _network(nn.Linear(5, 7, bias=False), (5,))
    model = quantize(graph, _CORRECTED, [torch.randn(8, 5) + 1])
    assert "0.bias" in model.graph.constants
    assert np.abs(model.graph.constants["0.bias"]).max() > 0


def test_an_added_bias_takes_no_name_of_another_value() -> None:
    graph = _network(nn.Linear(5, 7, bias=False), (5,))
    (layer,) = graph.nodes
    relu = Node(ops.Relu(), (layer.output,), Value("0.bias", layer.output.shape, FP32))
    graph = replace(graph, nodes=(layer, relu), outputs=(relu.output,))
    model = quantize(graph, _CORRECTED, [torch.randn(8, 5) + 1])
    assert "0.bias" not in model.graph.constants
    assert "0.bias.1" in model.graph.constants


def test_two_runs_merge_into_one() -> None:
    graph = _network(nn.Conv2d(3, 4, 3), (3, 6, 6))
    x = torch.randn(10, 3, 6, 6)
    halves = [observe(graph, _CORRECTED, [part]) for part in (x[:4], x[4:])]
    merged = quantize_from(graph, _CORRECTED, merge(*halves))
    whole = quantize(graph, _CORRECTED, [x])
    for name, array in whole.graph.constants.items():
        np.testing.assert_allclose(merged.graph.constants[name], array, rtol=1e-6, atol=1e-9)


def test_scores_under_a_mask_keep_their_codes() -> None:
    class Causal(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)

    torch.manual_seed(0)
    x = torch.randn(8, 2, 6, 16)
    graph = capture(Causal(), x)

    program = lower(quantize(graph, recipe("W8A8"), [x]))
    made = load(program)({program.inputs[0].name: x.numpy()})[program.outputs[0].name]
    assert sqnr_db(made, Causal()(x).numpy()) > 25
