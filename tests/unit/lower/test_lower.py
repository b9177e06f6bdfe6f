"""What has no integer form stays float, with the reason; what saturates."""

import numpy as np
import pytest

from intact.exec.reference import load
from intact.ir import float_ops as ops
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import QMatMul, QMul
from intact.lower.lower import lower, lower_with_reasons
from intact.model import Dynamic, QuantizedModel
from intact.numerics.fixedpoint import quantize_multiplier
from intact.numerics.formats import FP32, Int
from intact.numerics.granularity import PerChannel
from intact.numerics.qtensor import QuantParams
from tests.contract.test_lower import BATCH, Case, absmax, minmax, network, quantized


@pytest.mark.parametrize("format", [Int(12), Int(16, signed=False)], ids=str)
def test_softmax_without_an_integer_form_stays_float(format: Int) -> None:
    rng = np.random.default_rng(0)
    graph = network(Case("softmax", ops.Softmax(2), ((-1, 3, 9),)), rng, last=False)
    x = rng.normal(size=(BATCH, 3, 9)).astype(np.float32)
    model = quantized(graph, {"x0": x}, Int(16))
    activations = {"x0": minmax(x, format)}
    lowered = lower_with_reasons(QuantizedModel(graph, model.weights, activations))
    assert lowered.stays_float == {"y": f"softmax has no integer form for {format}"}
    exponentials = np.exp(x.astype(np.float64))
    expected = exponentials / exponentials.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(load(lowered.program)({"x0": x})["y"], expected, atol=1e-3)


@pytest.mark.parametrize("value", [-1e9, -np.inf])
def test_padding_that_stands_for_infinity_saturates(value: float) -> None:
    rng = np.random.default_rng(0)
    pad = ops.Pad(((0, 0), (0, 0), (1, 1)), value=value)
    graph = network(Case("pad", pad, ((-1, 2, 4),)), rng, last=True)
    x = rng.normal(size=(BATCH, 2, 4)).astype(np.float32)
    params = minmax(x, Int(8))
    lowered = lower_with_reasons(quantized(graph, {"x0": x}, Int(8)))
    assert not lowered.stays_float
    edge = load(lowered.program)({"x0": x})["y"][..., 0]
    assert (edge == params.dequantize(np.array(params.format.qmin))).all()


def test_a_product_that_sums_over_the_batch_stays_float() -> None:
    x, moved, y = (Value(n, s, FP32) for n, s in (("x", (-1, 4)), ("t", (4, -1)), ("y", (4, 4))))
    nodes = Node(ops.Permute((1, 0)), (x,), moved), Node(ops.MatMul(), (moved, x), y)
    array = np.random.default_rng(0).normal(size=(BATCH, 4)).astype(np.float32)
    activations = {name: minmax(array, Int(8)) for name in "xy"}
    lowered = lower_with_reasons(
        QuantizedModel(Graph((x,), (y,), nodes, {}), weights={}, activations=activations)
    )
    assert lowered.stays_float == {"y": "it sums over the batch"}


def test_a_dynamic_layer_that_may_overflow_stays_float() -> None:
    inputs = 140_000
    x, y = Value("x", (-1, inputs), FP32), Value("y", (-1, 1), FP32)
    weight = np.ones((1, inputs), np.float32)
    node = Node(ops.Linear(), (x, Value("w", weight.shape, FP32)), y)
    graph = Graph((x,), (y,), (node,), {"w": weight})
    weights = {"w": absmax(weight, PerChannel())}
    lowered = lower_with_reasons(QuantizedModel(graph, weights, {"x": Dynamic(Int(8))}))
    assert lowered.stays_float == {"y": "a sum of 140000 products overflows its accumulator"}


@pytest.mark.parametrize("op", [ops.Mul(), ops.MatMul()], ids=lambda op: type(op).__name__)
def test_products_round_scales_to_float32_as_tflite_does(op: ops.Mul | ops.MatMul) -> None:
    """Eq. 20 and 25."""
    scales = [np.float32(s) for s in (0.1, 0.3, 0.7)]
    a, b, y = (Value(name, (-1, 4, 4), FP32) for name in "aby")
    activations = {n: QuantParams(Int(8), s) for n, s in zip("aby", scales, strict=True)}
    graph = Graph((a, b), (y,), (Node(op, (a, b), y),), {})
    program = lower(QuantizedModel(graph, weights={}, activations=activations))
    (requant,) = (n.op.requant for n in program.nodes if isinstance(n.op, QMul | QMatMul))
    product = scales[0] * scales[1]
    real = product / scales[2] if isinstance(op, ops.Mul) else float(product) / float(scales[2])
    multiplier, shift = quantize_multiplier(float(real))
    assert (requant.multiplier[0], requant.shift[0]) == (multiplier, shift)
    assert multiplier != quantize_multiplier(0.1 * 0.3 / 0.7)[0]
