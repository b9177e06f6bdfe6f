"""Gptq: smaller errors of a layer's outputs than rounding to nearest, near the best there are."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.model import QuantizedModel
from intact.numerics.formats import Int
from intact.numerics.granularity import PerGroup, PerTensor
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.ptq import Gptq, Nearest, PtqRule, WeightMethod, quantize, silent
from intact.ptq.gptq import Grid, damped, rounded_in_turn
from intact.ptq.simulation import Simulation

_INT3 = Int(3, narrow=True)


def _grid(w: Tensor, scale: float, format: Int = _INT3) -> tuple[Grid, ScaledTensor]:
    params = QuantParams(format, np.asarray(scale, np.float32))
    nearest = ScaledTensor(params.quantize(w.numpy()), params)
    return Grid.of(ops.Linear(), nearest), nearest


def test_two_weights_by_hand() -> None:
    # H = [[2, 1], [1, 1]]: the inverse is [[1, -1], [-1, 2]], its factor U = [[1, -1], [0, 1]].
    # 0.4 becomes 0, e = 0.4 / 1, and 0.3 becomes 0.3 + 0.4 = 0.7, so 1. The error of (0, 1) is
    # (0.4, -0.7) H (0.4, -0.7)^T = 0.32 - 0.56 + 0.49 = 0.25; that of (0, 0) is 0.65.
    w, hessian = torch.tensor([[0.4, 0.3]]), torch.tensor([[[2.0, 1.0], [1.0, 1.0]]]).double()
    grid, _ = _grid(w, 1)
    assert rounded_in_turn(w[None].double(), hessian, grid, by_size=False).tolist() == [[[0, 1]]]


def _error(difference: Tensor, hessian: Tensor) -> float:
    return float(difference @ hessian @ difference)


@pytest.mark.parametrize("by_size", [False, True])
def test_three_weights_are_near_the_best_of_all_codes(by_size: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    found, best, nearest = 0.0, 0.0, 0.0
    for _ in range(40):
        w = torch.rand(1, 3, generator=generator, dtype=torch.float64) * 3 - 1.5
        x = torch.randn(3, 20, generator=generator, dtype=torch.float64)
        x = torch.randn(3, 3, generator=generator, dtype=torch.float64) @ x
        hessian = x @ x.T / 20
        grid, rounded = _grid(w, 0.7)
        all_codes = itertools.product(range(-3, 4), repeat=3)
        best += min(_error(w[0] - 0.7 * torch.tensor(c).double(), hessian) for c in all_codes)
        nearest += _error(w[0] - torch.from_numpy(rounded.dequantize()[0]), hessian)
        (row,) = rounded_in_turn(
            w[None], damped(hessian[None], 1e-6, torch.zeros(1)), grid, by_size=by_size
        )
        found += _error(w[0] - row[0], hessian)
    assert found < 1.5 * best
    assert found < 0.8 * nearest


def test_inputs_without_correlation_are_rounded_to_nearest() -> None:
    w = torch.randn(2, 5, 300, generator=torch.Generator().manual_seed(1))
    grid, nearest = _grid(w.reshape(10, 300), 0.3)
    split = Grid(*(part.reshape(2, 5, 300) for part in (grid.scale, grid.low, grid.high)))
    hessian = torch.diag_embed(torch.rand(2, 300).double() + 0.1)
    for by_size in (False, True):
        found = rounded_in_turn(w.double(), hessian, split, by_size=by_size)
        np.testing.assert_allclose(found.reshape(10, 300).numpy(), nearest.dequantize(), rtol=1e-6)


def test_inputs_that_are_always_zero_round_to_nearest() -> None:
    assert damped(torch.zeros(1, 2, 2), 0.01, torch.zeros(1)).tolist() == [[[1, 0], [0, 1]]]


def test_inputs_that_never_vary_keep_codes_and_get_a_bias() -> None:
    torch.manual_seed(0)
    x = torch.full((8, 30), 3.3) + torch.arange(30)
    graph, model = _made(nn.Linear(30, 7), x, Nearest(_INT3))
    refined = Gptq(damping=0)(model, graph, [x], silent)
    assert _output_error(graph, refined, x) < 1e-6 * _output_error(graph, model, x)


LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "conv": (nn.Conv2d(4, 6, 3, padding=1), (4, 7, 6)),
    "conv-uneven": (nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), dilation=(1, 2)), (4, 7, 6)),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2, bias=False), (4, 7, 6)),
    "depthwise": (nn.Conv2d(6, 6, 3, 2, 1, groups=6), (6, 7, 6)),
    "pointwise": (nn.Conv2d(6, 5, 1, 2), (6, 7, 6)),
    "pointwise-padded": (nn.Conv2d(6, 5, 1, padding=1), (6, 7, 6)),
    "conv1d": (nn.Conv1d(4, 6, 3, padding=2, dilation=2), (4, 12)),
    "linear": (nn.Linear(9, 7), (9,)),
    "linear-rows": (nn.Linear(9, 7, bias=False), (4, 9)),
}


def _correlated(shape: tuple[int, ...], samples: int) -> Tensor:
    """Channels that are mixed, and places that resemble their neighbours."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(samples, *shape, generator=generator)
    axis = -1 if len(shape) < 3 and shape[-1] == 9 else 1
    channels = x.shape[axis]
    mix = torch.randn(channels, channels, generator=generator) / channels**0.5 + torch.eye(channels)
    x = (x.movedim(axis, -1) @ mix).movedim(-1, axis)
    return x.cumsum(-1) / 2 + 1 if len(shape) > 1 and axis == 1 else x + 1


def _made(
    layer: nn.Module, x: Tensor, method: WeightMethod
) -> tuple[Graph[FloatOp], QuantizedModel]:
    graph = capture(nn.Sequential(layer), x)
    return graph, quantize(graph, [PtqRule(weight=method)], [x])


def _output_error(graph: Graph[FloatOp], model: QuantizedModel, x: Tensor) -> float:
    with torch.no_grad():
        difference = Simulation(model).run([x])[0] - from_graph(graph).eval()(x)
    return float(difference.square().mean())


@pytest.mark.parametrize("name", LAYERS)
def test_error_of_a_layer_is_below_that_of_nearest(name: str) -> None:
    torch.manual_seed(0)
    layer, shape = LAYERS[name]
    x = _correlated(shape, 60)
    graph, model = _made(layer, x, Nearest(_INT3))
    refined = Gptq()(model, graph, [x[:10], x[10:]], silent)
    assert _output_error(graph, refined, x) < 0.85 * _output_error(graph, model, x)


@pytest.mark.parametrize(
    "method",
    [Nearest(_INT3, PerTensor()), Nearest(_INT3, PerGroup(3)), Nearest(Int(3), symmetric=False)],
    ids=repr,
)
def test_every_granularity_and_zero_points_are_respected(method: Nearest) -> None:
    torch.manual_seed(0)
    x = _correlated((9,), 60)
    graph, model = _made(nn.Linear(9, 7), x, method)
    refined = Gptq()(model, graph, [x], silent)
    before, after = model.weights["0.weight"], refined.weights["0.weight"]
    assert isinstance(before, ScaledTensor)
    assert isinstance(after, ScaledTensor)
    assert after.params == before.params
    assert not np.array_equal(after.codes, before.codes)
    assert after.codes.min() >= method.format.codes().min()
    assert after.codes.max() <= method.format.codes().max()
    assert _output_error(graph, refined, x) < 0.85 * _output_error(graph, model, x)


def test_an_earlier_correction_of_the_bias_is_replaced() -> None:
    torch.manual_seed(0)
    x = _correlated((9,), 60)
    graph, model = _made(nn.Linear(9, 7), x, Nearest(_INT3))
    constants = {**model.graph.constants, "0.bias": np.full(7, 50, np.float32)}
    moved = QuantizedModel(
        Graph(graph.inputs, graph.outputs, graph.nodes, constants), model.weights, {}
    )
    first, second = (Gptq()(m, graph, [x], silent) for m in (model, moved))
    np.testing.assert_allclose(
        first.graph.constants["0.bias"], second.graph.constants["0.bias"], atol=1e-5
    )


def test_transposed_convolutions_and_shared_weights_are_left() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.twice = nn.ConvTranspose2d(3, 3, 2), nn.Linear(5, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.twice(self.twice(self.up(x)))

    x = torch.randn(8, 3, 4, 4)
    graph = capture(Shared(), x)
    model = quantize(graph, [PtqRule(weight=Nearest(_INT3))], [x])
    refined = Gptq()(model, graph, [x], silent)
    assert refined.weights == model.weights


def test_negative_damping_is_refused() -> None:
    with pytest.raises(ValueError, match="damping"):
        Gptq(damping=-0.1)
