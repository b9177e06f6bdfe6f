"""Tiny networks whose printed Programs are reviewed like code.

``python -m tests.golden.networks`` writes the texts again after a change of lowering that is meant.
"""

from pathlib import Path

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Program
from intact.ir.text import to_text
from intact.lower.lower import lower
from intact.model import Dynamic, QuantizedModel
from intact.numerics.formats import FP16, FP32, Format, Int
from intact.numerics.qtensor import QuantParams, ScaledTensor

FOLDER = Path(__file__).parent


class _Network:
    """A graph in a few lines; constants are small, exact numbers."""

    def __init__(self, *inputs: Value) -> None:
        self.inputs = inputs
        self.nodes: list[Node[FloatOp]] = []
        self.constants: dict[str, np.ndarray] = {}

    def constant(self, name: str, *shape: int) -> Value:
        numbers = (np.arange(np.prod(shape)) * 7 % 13 - 6) / 8
        self.constants[name] = numbers.reshape(shape).astype(np.float32)
        return Value(name, shape, FP32)

    def node(self, name: str, op: FloatOp, shape: tuple[int, ...], *inputs: Value) -> Value:
        output = Value(name, shape, FP32)
        self.nodes.append(Node(op, inputs, output))
        return output

    def graph(self, *outputs: Value) -> Graph[FloatOp]:
        return Graph(self.inputs, outputs, tuple(self.nodes), self.constants)


def _weight(array: np.ndarray, format: Format) -> ScaledTensor:
    axes = tuple(range(1, array.ndim))
    scale = np.abs(array).max(axis=axes, keepdims=True)
    scale = scale / format.qmax if isinstance(format, Int) else np.ones_like(scale)
    params = QuantParams(format, scale.astype(np.float32))
    return ScaledTensor(params.quantize(array), params)


def _params(scale: float, zero_point: int = 0, bits: int = 8) -> QuantParams:
    return QuantParams(Int(bits), np.asarray(scale, np.float32), np.asarray(zero_point))


def _residual() -> _Network:
    """Convolution with ReLU6, depthwise with hard-swish, a sum, mean, classifier and softmax."""
    x = Value("image", (-1, 3, 8, 8), FP32)
    net = _Network(x)
    pads = ((1, 1), (1, 1))
    stem = ops.Conv((2, 2), pads, (1, 1))
    maps = (-1, 4, 4, 4)
    y = net.node(
        "stem", stem, maps, x, net.constant("stem.weight", 4, 3, 3, 3), net.constant("stem.bias", 4)
    )
    y = net.node("relu6", ops.Clamp(0.0, 6.0), maps, y)
    depthwise = ops.Conv((1, 1), pads, (1, 1), 4)
    z = net.node("depthwise", depthwise, maps, y, net.constant("depthwise.weight", 4, 1, 3, 3))
    z = net.node("hardswish", ops.HardSwish(), maps, z)
    z = net.node("add", ops.Add(), maps, y, z)
    z = net.node("mean", ops.Mean((2, 3), keepdims=False), (-1, 4), z)
    z = net.node("classifier", ops.Linear(), (-1, 5), z, net.constant("classifier.weight", 5, 4))
    net.node("softmax", ops.Softmax(1), (-1, 5), z)
    return net


def _attention() -> _Network:
    """One head over three tokens: layer norm, two products and a scale that costs nothing."""
    x = Value("tokens", (-1, 3, 4), FP32)
    net = _Network(x)
    gamma, beta = net.constant("norm.weight", 4), net.constant("norm.bias", 4)
    y = net.node("norm", ops.LayerNorm(1, 1e-5), (-1, 3, 4), x, gamma, beta)
    q = net.node("query", ops.Linear(), (-1, 3, 4), y, net.constant("query.weight", 4, 4))
    net.constants["scale"] = np.asarray(0.5, np.float32)
    q = net.node("scaled", ops.Mul(), (-1, 3, 4), q, Value("scale", (), FP32))
    k = net.node("transposed", ops.Permute((0, 2, 1)), (-1, 4, 3), y)
    scores = net.node("scores", ops.MatMul(), (-1, 3, 3), q, k)
    scores = net.node("softmax", ops.Softmax(2), (-1, 3, 3), scores)
    net.node("context", ops.MatMul(), (-1, 3, 4), scores, y)
    return net


def _model(net: _Network, activation: QuantParams | Dynamic | None, weight: Format | None):
    graph = net.graph(net.nodes[-1].output)
    weights = {
        name: _weight(array, weight)
        for name, array in net.constants.items()
        if weight is not None and name.endswith(".weight") and array.ndim > 1
    }
    names = [value.name for value in graph.values() if value.name not in graph.constants]
    return QuantizedModel(graph, weights, {n: activation for n in names if activation})


def programs() -> dict[str, Program]:
    """The Program of each network, by file name."""
    int8, int4 = Int(8, narrow=True), Int(4, narrow=True)
    models = {
        "residual_w8a8": _model(_residual(), _params(0.0625, -3), int8),
        "residual_w8a16": _model(_residual(), _params(2**-12, 0, 16), int8),
        "residual_dynamic": _model(_residual(), Dynamic(Int(8)), int8),
        "residual_float16": _model(_residual(), None, FP16),
        "attention_w4a8": _model(_attention(), _params(0.0625, 5), int4),
    }
    return {name: lower(model) for name, model in models.items()}


def texts() -> dict[str, str]:
    """What is printed of each, by file name."""
    return {name: to_text(program) for name, program in programs().items()}


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / f"{name}.txt").write_text(text)
