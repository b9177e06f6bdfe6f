"""Bounds for each channel are the same integers everywhere, within a layer or on their own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import intact
from intact.cli.main import run
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import QAdd, QConv2d, QLinear, Requantize
from intact.lower.lower import lower_with_reasons
from intact.model import QuantizedModel
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32, Int
from intact.numerics.qtensor import QuantParams
from tests.contract.test_lower import BATCH, quantized

CHANNELS = 6
LOW = np.array([0, 0, -np.inf, -1, 0, -np.inf], np.float32)
HIGH = np.array([6, 0.4, 1.25, 0.5, np.inf, np.inf], np.float32)


def bounded() -> Graph[FloatOp]:
    """ChannelClamp behind a convolution, a depthwise one, a sum, a pooling and a linear layer."""
    rng = np.random.default_rng(3)
    constants: dict[str, Array] = {"low": LOW, "high": HIGH}
    nodes: list[Node[FloatOp]] = []
    image = (-1, CHANNELS, 7, 5)
    bounds = [Value(name, (CHANNELS,), FP32) for name in constants]

    def add(
        name: str, op: FloatOp, shape: tuple[int, ...], *inputs: Value, weight: Array | None = None
    ) -> Value:
        read = [*inputs]
        if weight is not None:
            constants[f"{name}.weight"] = weight.astype(np.float32)
            read.append(Value(f"{name}.weight", weight.shape, FP32))
        layer = Node(op, tuple(read), Value(name, shape, FP32))
        clamp = Node(ops.ChannelClamp(), (layer.output, *bounds), Value(f"{name}.c", shape, FP32))
        nodes.extend((layer, clamp))
        return clamp.output

    same, pads = (1, 1), ((1, 1), (1, 1))
    x = Value("x", (-1, 3, 7, 5), FP32)
    weights = rng.normal(size=(CHANNELS, 3, 3, 3))
    y = first = add("conv", ops.Conv(same, pads, same), image, x, weight=weights)
    weights = rng.normal(size=(CHANNELS, 1, 3, 3))
    y = add("depthwise", ops.Conv(same, pads, same, CHANNELS), image, y, weight=weights)
    y = add("sum", ops.Add(), image, y, first)
    y = add("pool", ops.MaxPool((2, 2), (1, 1), ((0, 0), (0, 0)), same), (-1, CHANNELS, 6, 4), y)
    mean = Node(ops.Mean((2, 3), keepdims=False), (y,), Value("mean", (-1, CHANNELS), FP32))
    nodes.append(mean)
    weights = rng.normal(size=(CHANNELS, CHANNELS))
    y = add("linear", ops.Linear(), (-1, CHANNELS), mean.output, weight=weights)
    return Graph((x,), (y,), tuple(nodes), constants)


def model(bits: int, *, symmetric: bool) -> tuple[QuantizedModel, Array]:
    """The network in integers, and samples."""
    samples = np.random.default_rng(4).normal(size=(BATCH, 3, 7, 5)).astype(np.float32)
    made = quantized(bounded(), {"x": samples}, Int(bits))
    if not symmetric:
        return made, samples
    activations = {}
    for name, params in made.activations.items():
        assert isinstance(params, QuantParams)
        activations[name] = QuantParams(params.format, params.scale * np.float32(2))
    return replace(made, activations=activations), samples


def test_it_is_part_of_the_layer_before_it() -> None:
    lowered = lower_with_reasons(model(8, symmetric=False)[0])
    assert not lowered.stays_float
    kinds = (QConv2d, QAdd, QLinear, Requantize)
    found = [n.op for n in lowered.program.nodes if isinstance(n.op, kinds)]
    assert [type(op) for op in found] == [QConv2d, QConv2d, QAdd, Requantize, QLinear]
    assert all(op.requant.qmax.size == CHANNELS for op in found)


@pytest.mark.parametrize(
    ("bits", "symmetric"),
    [(8, False), (8, True), (16, True)],
    ids=["8 bits", "8 bits symmetric", "16 bits"],
)
def test_the_same_integers_everywhere(bits: int, symmetric: bool) -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'intact[litert]'")
    pytest.importorskip("onnxruntime", reason="pip install 'intact[onnxruntime]'")
    quantized_model, samples = model(bits, symmetric=symmetric)
    found = intact.verify(
        quantized_model, samples, executors=["native", "c", "litert", "onnxruntime"]
    )
    assert found.met, str(found)


def test_exporting_to_tflite_names_the_layers_that_cost_an_operation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tflite", reason="pip install 'intact[tflite]'")
    program = lower_with_reasons(model(8, symmetric=False)[0]).program
    intact.QuantizedNetwork(program).save(tmp_path / "net.intact")
    arguments = ["export", f"{tmp_path}/net.intact", "--to", "tflite", "-o", f"{tmp_path}/n.tflite"]
    assert run(arguments) == 0
    assert "5 layers have a clamp with bounds for each channel" in capsys.readouterr().err


def test_it_runs_on_real_numbers() -> None:
    graph = bounded()
    samples = np.random.default_rng(5).normal(size=(BATCH, 3, 7, 5)).astype(np.float32)
    float_model = QuantizedModel(graph, {}, {})
    native, reference = (
        intact.compile(float_model, executor=name)(samples) for name in ("native", "reference")
    )
    np.testing.assert_allclose(native, reference, rtol=1e-5, atol=1e-5)
