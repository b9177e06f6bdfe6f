"""AdaRound finds the best of all roundings where nearest is not it."""

from itertools import product

import numpy as np
import pytest
import torch

from intact.capture.module import from_graph
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.model import QuantizedModel
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.ptq import AdaRound, Learning, silent
from tests.unit.ptq.networks import real

# Inputs that rise and fall together: what rounding one weight adds, rounding another may take away.
# Nearest rounds (0.3, 0.45, 1.3) all down, with an error of 0.86; (0, 1, 1) has 0.043.
_WEIGHT = np.array([[0.3, 0.45, 1.3], [2.45, 0.3, -0.6]], np.float32)
_X = torch.randn(256, 1, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 1.0, 0.7])
_X = _X + 0.3 * torch.randn(256, 3, generator=torch.Generator().manual_seed(1))
_PARAMS = QuantParams(Int(4, narrow=True), np.ones((2, 1), np.float32))


def _linear() -> Graph[FloatOp]:
    x, y = real("x", -1, 3), real("fc", -1, 2)
    node = Node(ops.Linear(), (x, real("w", 2, 3)), y)
    return Graph((x,), (y,), (node,), {"w": _WEIGHT})


def _error(codes: np.ndarray, channel: int) -> float:
    """By hand: the mean of ((w~ - w) x)^2, from which a bias takes the mean of (w~ - w) x."""
    return float(np.var(_X.numpy() @ (codes - _WEIGHT[channel])))


def _refined(method: AdaRound) -> np.ndarray:
    nearest = ScaledTensor(_PARAMS.quantize(_WEIGHT), _PARAMS)
    model = QuantizedModel(_linear(), {"w": nearest}, {})
    weight = method(model, _linear(), [_X], silent).weights["w"]
    assert isinstance(weight, ScaledTensor)
    assert weight.params == _PARAMS
    return weight.codes


def test_it_finds_the_best_of_all_roundings() -> None:
    found = _refined(AdaRound())
    nearest = np.rint(_WEIGHT)
    for channel, row in enumerate(_WEIGHT):
        every = [np.array(codes) for codes in product(*((np.floor(w), np.ceil(w)) for w in row))]
        best = min(every, key=lambda codes: _error(codes, channel))
        assert _error(best, channel) < 0.2 * _error(nearest[channel], channel)
        assert found[channel].tolist() == best.tolist()


def test_codes_are_one_of_the_two_neighbours_and_other_layers_stay() -> None:
    found = _refined(AdaRound(learning=Learning(iterations=20)))
    assert np.isin(found - np.floor(_WEIGHT), [0, 1]).all()
    np.testing.assert_array_equal(_refined(AdaRound(match=("conv*",))), np.rint(_WEIGHT))


def test_the_bias_takes_the_mean_error_away() -> None:
    nearest = ScaledTensor(_PARAMS.quantize(_WEIGHT), _PARAMS)
    model = QuantizedModel(_linear(), {"w": nearest}, {})
    x = _X + 2
    refined = AdaRound()(model, _linear(), [x], silent)
    with torch.no_grad():
        target = from_graph(_linear())(x)
        graph = refined.graph
        weights = {"w": refined.weights["w"].dequantize()}
        y = from_graph(
            Graph(graph.inputs, graph.outputs, graph.nodes, {**graph.constants, **weights})
        )(x)
    assert float((y - target).mean(0).abs().max()) < 0.05


@pytest.mark.parametrize(
    "settings", [{"warm_up": 1.0}, {"warm_up": -0.1}, {"iterations": 0}, {"rate": 0.0}]
)
def test_learning_that_could_not_work_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="not"):
        Learning(**settings)  # type: ignore[arg-type]
