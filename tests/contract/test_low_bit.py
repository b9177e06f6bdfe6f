"""Layers of few bits: what they mean, and the same codes in every executor.

Each weight format with inputs of 1, 2, 4 and 8 bits and of -1 and 1, and with outputs of 1 to 8.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from intact.exec import native, reference
from intact.exec.float_ops import apply
from intact.ir import float_ops as ops
from intact.ir.boundary import code_boundary
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Program, QConv2d, QConvTranspose2d, QLinear
from intact.lower.lower import lower_with_reasons
from intact.model import QuantizedModel
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32, Binary, Format, Int, MidRise, PowerOfTwo, Ternary
from intact.numerics.granularity import PerChannel, scale_shape
from intact.numerics.integers import code_integers
from intact.numerics.qtensor import QuantParams, ScaledTensor, scalar_scale
from intact.verification import compiled_c
from tests.unit.emit.c.compiling import STRICT, needs_compiler
from tests.unit.emit.tflite.running import draw_inputs, merged

BATCH = 3
PADS = ((1, 1), (1, 0))
# Name, operation, shapes of input and weight.
LAYERS: dict[str, tuple[FloatOp, tuple[int, ...], tuple[int, ...]]] = {
    "conv": (ops.Conv((1, 1), PADS, (1, 1)), (8, 6, 5), (6, 8, 3, 3)),
    "pointwise": (ops.Conv((1, 1), ((0, 0),) * 2, (1, 1)), (9, 4, 4), (5, 9, 1, 1)),
    "grouped": (ops.Conv((2, 1), PADS, (1, 1), 2), (8, 6, 5), (6, 4, 3, 3)),
    "depthwise": (ops.Conv((1, 1), PADS, (1, 1), 6), (6, 6, 5), (6, 1, 3, 3)),
    "transposed": (ops.ConvTranspose((2, 2), PADS, (1, 0), (1, 1)), (4, 4, 5), (4, 6, 3, 3)),
    "linear": (ops.Linear(), (34,), (7, 34)),
}
WEIGHTS: tuple[Format, ...] = (
    Binary(), Ternary(), MidRise(2), MidRise(4), PowerOfTwo(3), PowerOfTwo(4), Int(2),
    Int(3, narrow=True), Int(4),
)  # fmt: skip
SOURCES: tuple[Format, ...] = (Binary(), Ternary(), Int(1, signed=False), Int(2), Int(4), Int(8))
OUTPUTS: tuple[Format, ...] = (Binary(), Int(2), Int(4, signed=False), Int(8))


@dataclass(frozen=True)
class Layer:
    """A model of one layer, and its Program."""

    model: QuantizedModel
    program: Program


def drawn(kind: str, weight: Format, source: Format, output: Format) -> Layer:
    """Random codes; the output's scale is that of what is computed from random inputs."""
    rng = np.random.default_rng(sum(map(ord, f"{kind}{weight}{source}{output}")))
    op, inner, kernel = LAYERS[kind]
    axis = 1 if isinstance(op, ops.ConvTranspose) else 0
    scales = rng.uniform(0.02, 0.2, scale_shape(kernel, PerChannel(axis))).astype(np.float32)
    codes = rng.choice(weight.codes(), kernel).astype(weight.storage)
    tensor = ScaledTensor(codes, QuantParams(weight, scales))
    bias = rng.normal(0, 0.3, kernel[axis]).astype(np.float32)
    x = QuantParams(source, np.float32(0.11), zero_point(source, rng))
    real = apply(op, [numbers(x, (BATCH, *inner), rng), tensor.dequantize(), bias], BATCH)
    y = QuantParams(output, np.float32(2 * real.std() / 2**output.bits), zero_point(output, rng))
    values = Value("x", (-1, *inner), FP32), Value("y", (-1, *real.shape[1:]), FP32)
    constants = {"w": tensor.dequantize(), "b": bias}
    parameters = (Value("w", kernel, FP32), Value("b", bias.shape, FP32))
    node = Node(op, (values[0], *parameters), values[1])
    graph = Graph(values[:1], values[1:], (node,), constants)
    model = QuantizedModel(graph, {"w": tensor}, {"x": x, "y": y})
    lowered = lower_with_reasons(model)
    assert not lowered.stays_float
    return Layer(model, lowered.program)


def zero_point(format: Format, rng: np.random.Generator) -> Array | None:
    if not isinstance(format, Int) or format.bits < 2:
        return None
    return np.asarray(rng.integers(format.qmin, format.qmax, endpoint=True))


def numbers(params: QuantParams, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Real numbers on the grid."""
    return params.dequantize(rng.choice(params.format.codes(), shape).astype(np.int64))


def params_of(model: QuantizedModel, name: str) -> QuantParams:
    found = model.activations[name]
    assert isinstance(found, QuantParams)
    return found


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("output", OUTPUTS, ids=str)
@pytest.mark.parametrize("weight", WEIGHTS, ids=str)
def test_integers_mean_the_real_operation(kind: str, weight: Format, output: Format) -> None:
    for source in SOURCES:
        layer = drawn(kind, weight, source, output)
        rng = np.random.default_rng(5)
        x_params, y_params = (params_of(layer.model, name) for name in "xy")
        graph = layer.model.graph
        x = numbers(x_params, (BATCH, *graph.inputs[0].shape[1:]), rng)
        made = reference.load(layer.program)({"x": x})["y"]
        node = graph.nodes[0]
        inputs = [x.astype(np.float64), *(graph.constants[v.name] for v in node.inputs[1:])]
        real = apply(node.op, [np.asarray(a, np.float64) for a in inputs], BATCH)
        if isinstance(output, Binary):
            clear = np.abs(real) > 1e-5
            assert clear.mean() > 0.9
            signs = np.where(real >= 0, 1, -1) * y_params.scale
            np.testing.assert_allclose(made[clear], signs[clear], rtol=1e-6)
        else:
            ends = y_params.dequantize(y_params.format.codes()[[0, -1]])
            off = np.abs(made - np.clip(real, *ends)) / scalar_scale(y_params)
            assert off.max() < 0.5 + room(layer, output)


def room(layer: Layer, output: Format) -> float:
    """Beyond half a step: hardly any where the bias has room between the sums (eq. 57)."""
    layers = QConv2d | QConvTranspose2d | QLinear
    found = [n.op.weight_shift for n in layer.program.nodes if isinstance(n.op, layers)]
    if output.bits == 8:
        return 0.5
    return 0.05 if found[0] >= 4 else 0.1


def programs_of(kind: str) -> Program:
    """Every weight with every input, side by side, from codes to codes."""
    cut = {}
    for number, (weight, source) in enumerate(product(WEIGHTS, SOURCES)):
        output = OUTPUTS[(number + number // len(SOURCES)) % len(OUTPUTS)]
        layer = drawn(kind, weight, source, output)
        cut[f"{weight}.{source}.{output}"] = code_boundary(layer.program).program
    return merged(cut)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_native_engine_has_the_references_codes(kind: str) -> None:
    program = programs_of(kind)
    inputs = draw_inputs(program, np.random.default_rng(6))
    made = native.load(program)(inputs)
    for name, expected in reference.load(program)(inputs).items():
        np.testing.assert_array_equal(made[name], expected, err_msg=name)


@needs_compiler
@pytest.mark.parametrize("kind", LAYERS)
def test_generated_c_has_the_references_codes(kind: str) -> None:
    program = programs_of(kind)
    inputs = draw_inputs(program, np.random.default_rng(7))
    made = compiled_c.load(program, flags=STRICT)(inputs)
    for name, expected in reference.load(program)(inputs).items():
        np.testing.assert_array_equal(made[name], expected, err_msg=name)


@pytest.mark.parametrize("format", [Binary(), Ternary()], ids=str)
def test_codes_of_two_or_three_values_are_their_integers(format: Format) -> None:
    layer = drawn("linear", Int(4), format, Int(8))
    x = numbers(params_of(layer.model, "x"), (4, 34), np.random.default_rng(0))
    values = reference.trace(layer.program)({"x": x})
    codes = format.encode(x / 0.11)
    np.testing.assert_array_equal(values["x.codes"], code_integers(codes, format))
