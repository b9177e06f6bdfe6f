"""Formats for which an operation has no integer form stay float, with the reason."""

import numpy as np
import pytest

from intact.exec.reference import load
from intact.ir import float_ops as ops
from intact.lower.lower import lower_with_reasons
from intact.numerics.formats import Int
from tests.contract.test_lower import BATCH, Case, minmax, network, quantized


@pytest.mark.parametrize("format", [Int(12), Int(16, signed=False)], ids=str)
def test_softmax_without_an_integer_form_stays_float(format: Int) -> None:
    rng = np.random.default_rng(0)
    graph = network(Case("softmax", ops.Softmax(2), ((-1, 3, 9),)), rng, last=False)
    x = rng.normal(size=(BATCH, 3, 9)).astype(np.float32)
    model = quantized(graph, {"x0": x}, Int(16))
    activations = {"x0": minmax(x, format)}
    lowered = lower_with_reasons(type(model)(graph, model.weights, activations))
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
