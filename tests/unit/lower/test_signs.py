"""Binary activations: where signs are computed, and what moves them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import intact
from intact.exec import reference
from intact.exec.float_ops import apply
from intact.ir import float_ops as ops
from intact.ir import int_ops as q
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.lower.lower import lower, lower_with_reasons
from intact.model import QuantizedModel
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32, Binary, Format, Int, Ternary
from intact.numerics.qtensor import QuantParams
from intact.qat import BinaryWeight, MovingAverageActivation, QatRule, SignActivation

SHAPE = (-1, 2, 4, 4)
FINE = QuantParams(Int(8), np.float32(1 / 32))


def signs(scale: float) -> QuantParams:
    return QuantParams(Binary(), np.float32(scale))


def params(format: Format, scale: float = 0.5) -> QuantParams:
    return QuantParams(format, np.float32(scale))


def model(op: FloatOp, activations: dict[str, QuantParams], inputs: int = 1) -> QuantizedModel:
    """One operation on inputs a and b of SHAPE."""
    values = [Value(name, SHAPE, FP32) for name in "ab"[:inputs]]
    shape = apply(op, [np.zeros((1, *SHAPE[1:]), np.float32)] * inputs, 1).shape
    y = Value("y", (-1, *shape[1:]), FP32)
    return QuantizedModel(
        Graph(tuple(values), (y,), (Node(op, tuple(values), y),), {}), {}, activations
    )


def drawn(inputs: int = 1) -> dict[str, Array]:
    """Multiples of 1/32, among them 0."""
    rng = np.random.default_rng(0)
    codes = rng.integers(-40, 40, (inputs, 3, *SHAPE[1:]))
    codes[:, 0, 0, 0] = 0
    return {name: (x / 32).astype(np.float32) for name, x in zip("ab", codes, strict=False)}


def run(found: QuantizedModel, inputs: dict[str, Array]) -> Array:
    lowered = lower_with_reasons(found)
    assert not lowered.stays_float
    return reference.load(lowered.program)(inputs)["y"]


def sign(x: Array) -> Array:
    return np.where(x >= 0, 1, -1)


SOURCES: list[FloatOp] = [
    ops.Relu(), ops.Clamp(-1.0, 1.0), ops.Clamp(0.25, None), ops.Clamp(None, -0.25),
    ops.Mean((2, 3), keepdims=True), ops.Concat(1),
]  # fmt: skip


@pytest.mark.parametrize("op", SOURCES, ids=str)
def test_the_sign_of_an_operation(op: FloatOp) -> None:
    found = model(op, {"a": FINE, "y": signs(0.75)})
    x = drawn()
    expected = sign(apply(op, [x["a"]], 3)) * 0.75
    np.testing.assert_array_equal(run(found, x), expected)


@pytest.mark.parametrize("op", [ops.Add(), ops.Sub(), ops.Mul()], ids=str)
def test_the_sign_of_sums_and_products(op: FloatOp) -> None:
    found = model(op, {"a": FINE, "b": FINE, "y": signs(1)}, 2)
    inputs = drawn(2)
    np.testing.assert_array_equal(run(found, inputs), sign(apply(op, list(inputs.values()), 3)))


def test_the_sign_of_an_input() -> None:
    pool = ops.MaxPool((2, 2), (2, 2), ((0, 0),) * 2, (1, 1))
    found = model(pool, {"a": signs(1)})
    x = drawn()
    x["a"][1, 0, 0, 0] = 1e30
    expected = apply(pool, [sign(x["a"]).astype(np.float32)], 3)
    np.testing.assert_array_equal(run(found, x), expected)


MOVES: list[FloatOp] = [
    ops.Reshape((-1, 32)), ops.Permute((0, 2, 3, 1)), ops.Slice(1, 0, 1, 1),
    ops.Pad(((0, 0), (0, 0), (1, 2), (0, 1))), ops.ResizeNearest((8, 4)),
    ops.MaxPool((3, 2), (1, 2), ((1, 1), (0, 0)), (1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("format", [Binary(), Ternary()], ids=str)
@pytest.mark.parametrize("op", MOVES, ids=lambda op: type(op).__name__)
def test_codes_are_moved(op: FloatOp, format: Format) -> None:
    """Padding with 0 is 0, as in training, though binary numbers have none."""
    found = model(op, {"a": params(format, 0.45)})
    x = drawn()
    real = found.activations["a"]
    assert isinstance(real, QuantParams)
    moved = apply(op, [real.dequantize(real.quantize(x["a"]))], 3)
    np.testing.assert_array_equal(run(found, x), moved)
    types = {value.dtype for value in lower(found).values() if value.name.startswith("y")}
    assert Int(2, narrow=True) in types


def test_concatenation_takes_binary_codes_as_they_are() -> None:
    found = model(ops.Concat(1), {"a": signs(1), "b": FINE, "y": signs(1)}, 2)
    inputs = drawn(2)
    expected = np.concatenate([sign(x) for x in inputs.values()], axis=1)
    np.testing.assert_array_equal(run(found, inputs), expected)
    found = model(ops.Concat(1), {"a": signs(1), "b": signs(1), "y": signs(1)}, 2)
    after = [node.op for node in lower(found).nodes]
    assert sum(isinstance(op, q.Requantize) for op in after) == 2  # of the inputs alone


@pytest.mark.parametrize(
    "op",
    [
        ops.AvgPool((2, 2), (2, 2), ((0, 0),) * 2, False, (0, 0)), ops.AdaptiveAvgPool((1, 1)),
        ops.ResizeBilinear((8, 8), align_corners=False),
    ],
    ids=lambda op: type(op).__name__,
)  # fmt: skip
def test_averages_of_signs_stay_float(op: FloatOp) -> None:
    graph = model(op, {}).graph
    clamped = Value("c", SHAPE, FP32)
    nodes = (
        Node(ops.Clamp(None, None), graph.inputs, clamped),
        Node(op, (clamped,), graph.outputs[0]),
    )
    graph = Graph(graph.inputs, graph.outputs, nodes, {})
    lowered = lower_with_reasons(QuantizedModel(graph, {}, {"a": FINE, "c": signs(0.5)}))
    assert lowered.stays_float == {"y": "its output is float"}
    made = reference.load(lowered.program)(drawn())["y"]
    expected = apply(op, [(sign(drawn()["a"]) * 0.5).astype(np.float32)], 3)
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_an_activation_table_gives_no_signs() -> None:
    lowered = lower_with_reasons(model(ops.Silu(), {"a": FINE, "y": signs(1)}))
    assert lowered.stays_float == {"y": "its output is binary, which it has no integers for"}


class Bnn(nn.Module):
    """Two binary convolutions with max-pooling, BatchNorms of every gain, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.conv2, self.bn2 = nn.Conv2d(12, 16, 3, bias=False), nn.BatchNorm2d(16)
        self.pool, self.fc = nn.MaxPool2d(2), nn.Linear(144, 5)
        with torch.no_grad():
            for norm in (self.bn1, self.bn2):
                norm.weight.uniform_(-1, 1)
                norm.bias.uniform_(-0.5, 0.5)
                norm.weight[2] = 0

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.hardtanh(self.bn1(self.conv1(x)))
        x = self.pool(nn.functional.hardtanh(self.bn2(self.conv2(x))))
        return self.fc(x.flatten(1))


def test_a_binary_network_is_thresholds_and_signs() -> None:
    torch.manual_seed(0)
    rules = [
        QatRule(match="fc", weight=BinaryWeight, activation=MovingAverageActivation),
        QatRule(match="x", activation=MovingAverageActivation),
        QatRule(weight=BinaryWeight, activation=SignActivation),
    ]
    x = torch.randn(32, 3, 8, 8)
    network = intact.prepare(Bnn(), rules, example_input=x[:1]).train()
    for _ in range(3):
        network(x)
    network.eval()
    converted = intact.convert(network)
    assert converted.stays_float == {}
    layers = [n for n in converted.program.nodes if isinstance(n.op, q.QConv2d)]
    assert [(n.op.weight_shift, n.output.dtype) for n in layers] == [(0, Int(2, narrow=True))] * 2
    assert layers[1].inputs[1].dtype == Binary()
    assert not any(isinstance(n.op, q.Requantize) for n in converted.program.nodes)
    with torch.no_grad():
        simulated = network.simulate(x)
    made = torch.from_numpy(reference.load(converted.program)({"x": x.numpy()})["fc"])
    assert isinstance(simulated, Tensor)
    scale = float(network.activations["fc"].params().scale)
    assert ((made - simulated).abs() < 1.01 * scale).float().mean() > 0.99
    assert ((made - simulated).abs() < 0.01 * scale).float().mean() > 0.9
