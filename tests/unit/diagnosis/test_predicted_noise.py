"""The uniform model, worked by hand and held against the noise of integers."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from intact.capture.export import capture
from intact.diagnosis.noise import layer_noise
from intact.diagnosis.predicted_noise import predicted_noise
from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.lower.lower import lower
from intact.model import QuantizedModel
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32, Int
from intact.numerics.granularity import PerTensor
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.observers import MinMax
from intact.passes.inference import for_inference
from intact.ptq import Nearest, PtqRule, quantize

INT8 = Int(8, narrow=True)


def params(scale: float) -> QuantParams:
    return QuantParams(Int(8), np.asarray(scale, np.float32))


def by_hand() -> QuantizedModel:
    """x (N, 2) → Linear with weights (0.5, -1) → ReLU (fused) → output."""
    x, hidden, y = (Value(n, (-1, c), FP32) for n, c in (("x", 2), ("fc", 1), ("relu", 1)))
    weight = np.array([[0.5, -1.0]], np.float32)
    nodes: tuple[Node[FloatOp], ...] = (
        Node(ops.Linear(), (x, Value("w", (1, 2), FP32)), hidden),
        Node(ops.Relu(), (hidden,), y),
    )
    steps = QuantParams(INT8, np.asarray(0.01, np.float32))
    codes = ScaledTensor(steps.quantize(weight), steps)
    graph = Graph((x,), (y,), nodes, {"w": weight})
    return QuantizedModel(graph, {"w": codes}, {"x": params(0.1), "relu": params(0.05)})


def test_worked_example() -> None:
    """Samples (4, 1) and (0, 3): E[x**2] = 8, 5; the layer gives 1 and -3, the ReLU 1 and 0.

    N_x = 0.01 / 12. N_fc = 1.25 N_x + 0.0001 / 12 * 13. N_relu = (N_fc + 0.0025 / 12) / 2.
    """
    x, fc, relu = predicted_noise(by_hand(), [torch.tensor([[4.0, 1.0], [0.0, 3.0]])])
    noise_x = 0.01 / 12
    noise_fc = 1.25 * noise_x + 0.0001 / 12 * 13
    rounding = 0.0025 / 12 / 2
    noise_relu = noise_fc / 2 + rounding
    assert x.rounding_db == x.sqnr_db == pytest.approx(10 * math.log10(6.5 / noise_x), abs=1e-4)
    assert fc.weight_db == pytest.approx(10 * math.log10(0.625 / (0.0001 / 12)), abs=1e-4)
    assert math.isnan(fc.rounding_db)
    assert fc.sqnr_db == pytest.approx(10 * math.log10(5 / noise_fc), abs=1e-4)
    assert relu.rounding_db == pytest.approx(10 * math.log10(0.5 / rounding), abs=1e-4)
    assert relu.sqnr_db == pytest.approx(10 * math.log10(0.5 / noise_relu), abs=1e-4)
    assert [noise.op for noise in (x, fc, relu)] == ["Input", "Linear", "Relu"]


class Net(nn.Module):
    """Convolutions, a residual sum, pooling and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pointwise = nn.Conv2d(16, 16, 1)
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu6(self.stem(x))
        x = x + self.pointwise(functional.relu(self.depthwise(x)))
        return self.head(functional.max_pool2d(x, 2).mean((2, 3)))


@pytest.mark.parametrize("bits", [8, 6, 4])
def test_it_predicts_the_measured_noise(bits: int) -> None:
    torch.manual_seed(1)
    samples = torch.randn(32, 3, 12, 12)
    graph = for_inference(capture(Net().eval(), (samples[:1],)))
    rule = PtqRule(
        weight=Nearest(Int(bits, narrow=True), PerTensor()), activation=MinMax(Int(bits))
    )
    model = quantize(graph, [rule], [samples])
    measured = {n.name: n for n in layer_noise(graph, lower(model), [samples])}
    predicted = {n.name: n for n in predicted_noise(model, [samples])}
    errors = {n: predicted[n].sqnr_db - measured[n].sqnr_db for n in measured if n in predicted}
    assert len(errors) >= 7
    assert 0 < errors.pop("mean") < 6  # it takes the noise of weights as another one at each place
    layers = ("x", "relu6", "relu", "pointwise", "add")
    assert max(abs(errors[name]) for name in layers) < 1, errors
    assert max(map(abs, errors.values())) < 2.5, errors


def test_samples_are_needed() -> None:
    with pytest.raises(CalibrationError, match="no calibration samples"):
        predicted_noise(by_hand(), [])


def test_relative_noise_adds_up_where_there_is_no_rule() -> None:
    a, y = Value("a", (-1, 2), FP32), Value("y", (-1, 2), FP32)
    graph: Graph[FloatOp] = Graph((a,), (y,), (Node(ops.Mul(), (a, a), y),), {})
    model = QuantizedModel(graph, {}, {"a": params(0.1)})
    batch: Array = np.array([[1, 2], [3, -2]], np.float32)
    first, last = predicted_noise(model, [torch.from_numpy(batch)])
    assert last.sqnr_db == pytest.approx(first.sqnr_db - 10 * math.log10(2))
