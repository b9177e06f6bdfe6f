"""Every operation alone: ONNX Runtime computes what the reference executor computes."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from intact.emit.onnx import to_onnx
from intact.exec.reference import load
from intact.ir import float_ops as ops
from intact.ir import int_ops as q
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp, Program
from intact.lower.lower import lower
from intact.model import Dynamic, QuantizedModel
from intact.numerics.arrays import Array
from intact.numerics.fixedpoint import Requant, quantize_multiplier
from intact.numerics.formats import (
    BF16,
    E4M3,
    FP16,
    FP32,
    Binary,
    Format,
    Int,
    MidRise,
    PowerOfTwo,
    Ternary,
)
from intact.numerics.granularity import Granularity, PerChannel, PerGroup, PerTensor, scale_shape
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.verification import compare_onnxruntime
from tests.contract.test_lower import CASES, Case, network, quantized
from tests.unit.emit.runtime import BATCH, drawn, run
from tests.unit.ir.examples import float_examples, layer_examples, name_of

# Linear interpolation between table entries 128 codes apart cuts the corner where a function
# reaches the end of its output's range: by up to a quarter of that, where its slope is 1.
CORNER = 33


def sampled(case: Case, *, last: bool) -> tuple[Graph[FloatOp], dict[str, Array]]:
    rng = np.random.default_rng(7)
    graph = network(case, rng, last=last)
    shapes = {v.name: [-n * BATCH if n < 0 else n for n in v.shape] for v in graph.inputs}
    return graph, {n: rng.normal(0.1, 1.5, s).astype(np.float32) for n, s in shapes.items()}


@pytest.mark.parametrize("last", [False, True], ids=["plain", "channels-last"])
@pytest.mark.parametrize("bits", [5, 8])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_codes_of_an_operation_differ_by_at_most_one(case: Case, bits: int, last: bool) -> None:
    graph, inputs = sampled(case, last=last)
    program = lower(quantized(graph, inputs, Int(bits)))
    comparison = compare_onnxruntime(program, inputs)
    assert comparison.largest <= 1
    assert comparison.equal > 0.9
    (output,) = comparison.outputs
    assert output.codes is not None
    assert output.codes.largest <= 1


@pytest.mark.parametrize("case", CASES, ids=str)
def test_16_bit_codes_of_an_operation_differ_by_at_most_two(case: Case) -> None:
    graph, inputs = sampled(case, last=True)
    program = lower(quantized(graph, inputs, Int(16)))
    tables = {n.name for n in program.nodes if isinstance(n.op, q.InterpolatedLookup)}
    for layer in compare_onnxruntime(program, inputs).layers:
        few = sum(count for d, count in layer.histogram.items() if abs(d) > 2) / layer.elements
        assert layer.largest <= (CORNER if layer.name in tables else 2)
        assert few < 0.01


@pytest.mark.parametrize("program", float_examples(), ids=name_of)
def test_float_operations_compute_the_same_real_numbers(program: Program) -> None:
    if isinstance(program.nodes[0].op, ops.BatchNorm):  # of a negative variance there is no root
        program = replace(program, constants={n: abs(a) for n, a in program.constants.items()})
    inputs = drawn(program)
    made = run(to_onnx(program), inputs)["layer"]
    expected = load(program)(inputs)["layer"]
    assert made.dtype == expected.dtype
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5)


# --- weights -------------------------------------------------------------------------------------

CONV = ops.Conv((1, 1), ((1, 1), (0, 1)), (1, 1), 2)
TRANSPOSED = ops.ConvTranspose((2, 2), ((1, 1), (0, 1)), (1, 0), (1, 1), 2)
LAYERS: dict[str, tuple[FloatOp, tuple[int, ...], tuple[int, ...]]] = {
    "conv": (CONV, (-1, 8, 5, 4), (6, 4, 3, 2)),
    "conv-transpose": (TRANSPOSED, (-1, 8, 5, 4), (8, 3, 3, 2)),
    "linear": (ops.Linear(), (-1, 8), (6, 8)),
    "linear-rows": (ops.Linear(), (-1, 3, 8), (6, 8)),
}


def encoded(shape: tuple[int, ...], format: Format, granularity: Granularity) -> ScaledTensor:
    rng = np.random.default_rng(3)
    scale = rng.uniform(0.02, 0.05, scale_shape(shape, granularity)).astype(np.float32)
    params = QuantParams(format, scale)
    largest = 1.0 if format.bits < 3 else float(np.abs(format.decode(format.codes())).max())
    return ScaledTensor(params.quantize(rng.normal(0, largest * 0.02, shape)), params)


def layer(
    kind: str, weight: ScaledTensor, activations: Mapping[str, QuantParams | Dynamic]
) -> QuantizedModel:
    op, shape, kernel = LAYERS[kind]
    x = Value("x", shape, FP32)
    constants = {
        "layer.weight": weight.dequantize(),
        "layer.bias": np.linspace(-1, 1, 6, dtype=np.float32),
    }
    parameters = [Value(name, array.shape, FP32) for name, array in constants.items()]
    out = {"conv": (-1, 6, 5, 4), "conv-transpose": (-1, 6, 10, 7)}.get(kind, (*shape[:-1], 6))
    y = Value("y", out, FP32)
    graph = Graph((x,), (y,), (Node(op, (x, *parameters), y),), constants)
    assert kernel == weight.shape
    return QuantizedModel(graph, {"layer.weight": weight}, activations)


def scaled(format: Format, scale: float, zero_point: int = 0) -> QuantParams:
    return QuantParams(format, np.asarray(scale, np.float32), np.asarray(zero_point))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(
    "format",
    [
        *(Int(b) for b in range(2, 9)),
        Int(8, narrow=True),
        Binary(),
        MidRise(3),
        Ternary(),
        PowerOfTwo(4),
    ],
    ids=str,
)
def test_layers_with_any_weights_differ_by_at_most_one_code(kind: str, format: Format) -> None:
    axis = 1 if kind == "conv-transpose" else 0
    weight = encoded(LAYERS[kind][2], format, PerChannel(axis))
    activations = {"x": scaled(Int(8), 0.04, -3), "y": scaled(Int(8), 0.03, 11)}
    program = lower(layer(kind, weight, activations))
    assert any(
        isinstance(node.op, q.QConv2d | q.QConvTranspose2d | q.QLinear) for node in program.nodes
    )
    comparison = compare_onnxruntime(program, drawn(program))
    assert comparison.largest <= 1
    assert comparison.equal > 0.95


@pytest.mark.parametrize("optimized", [False, True])
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("format", [Binary(), MidRise(2), Int(4)], ids=str)
def test_signs_of_layers_are_the_same(kind: str, format: Format, optimized: bool) -> None:
    axis = 1 if kind == "conv-transpose" else 0
    weight = encoded(LAYERS[kind][2], format, PerChannel(axis))
    activations = {"x": scaled(Int(4), 0.3, -3), "y": QuantParams(Binary(), np.float32(0.5))}
    program = lower(layer(kind, weight, activations))
    comparison = compare_onnxruntime(program, drawn(program), optimized=optimized)
    assert comparison.largest == 0


@pytest.mark.parametrize("optimized", [False, True])
@pytest.mark.parametrize("kind", LAYERS)
def test_finer_biases_of_few_bits_are_the_same(kind: str, optimized: bool) -> None:
    axis = 1 if kind == "conv-transpose" else 0
    weight = encoded(LAYERS[kind][2], Int(2, narrow=True), PerChannel(axis))
    activations = {"x": scaled(Int(8), 0.04, -3), "y": scaled(Int(8), 0.02, 11)}
    program = lower(layer(kind, weight, activations))
    assert any(getattr(node.op, "weight_shift", 0) for node in program.nodes)
    comparison = compare_onnxruntime(program, drawn(program), optimized=optimized)
    assert comparison.largest <= 1
    assert comparison.equal > 0.95


@pytest.mark.parametrize("kind", ["conv", "linear", "linear-rows"])
@pytest.mark.parametrize("format", [Int(4, narrow=True), Int(8, narrow=True), Binary()], ids=str)
def test_dynamic_layers_compute_the_same_real_numbers(kind: str, format: Format) -> None:
    weight = encoded(LAYERS[kind][2], format, PerChannel())
    program = lower(layer(kind, weight, {"x": Dynamic(Int(8))}))
    assert any(isinstance(node.op, q.DynamicConv2d | q.DynamicLinear) for node in program.nodes)
    inputs = drawn(program)
    inputs["x"][1] = 0  # a sample without a scale
    made, expected = run(to_onnx(program), inputs)["y"], load(program)(inputs)["y"]
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(
    ("format", "granularity"),
    [
        (FP16, PerTensor()),
        (BF16, PerTensor()),
        (E4M3, PerChannel()),
        (Int(8), PerChannel()),
        (Int(4), PerGroup(2)),
    ],
    ids=str,
)
def test_layers_with_quantized_weights_alone_compute_the_same_real_numbers(
    kind: str, format: Format, granularity: Granularity
) -> None:
    if kind == "conv-transpose" and isinstance(granularity, PerGroup):
        granularity = PerGroup(3)
    program = lower(layer(kind, encoded(LAYERS[kind][2], format, granularity), {}))
    inputs = drawn(program)
    made, expected = run(to_onnx(program), inputs)["y"], load(program)(inputs)["y"]
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)


# --- what lowering gives only in larger networks -------------------------------------------------


def tiny(*nodes: tuple[IntOp, tuple[Value, ...], Value], **constants: Array) -> Program:
    """Quantize, the nodes, Dequantize; the first input of the first node is the codes of x."""
    codes = nodes[0][1][0]
    last = nodes[-1][2]
    assert codes.params is not None
    assert last.params is not None
    x, y = Value("x", codes.shape, FP32), Value("y", last.shape, FP32)
    steps: tuple[tuple[IntOp, tuple[Value, ...], Value], ...] = (
        (q.Quantize(codes.params), (x,), codes),
        *nodes,
        (q.Dequantize(last.params), (last,), y),
    )
    return Graph((x,), (y,), tuple(Node(*step) for step in steps), constants)


def multiplied(
    real: float | Array, output: QuantParams, low: int = -128, high: int = 127
) -> Requant:
    multiplier, shift = quantize_multiplier(np.atleast_1d(np.asarray(real, np.float64)))
    zero_point = int(output.offset.reshape(()))
    return Requant(multiplier, shift, zero_point, np.array([low]), np.array([high]))


def test_a_product_with_a_number_keeps_the_codes() -> None:
    source, halved = scaled(Int(8), 0.05, 4), scaled(Int(8), 0.025, 4)
    codes = Value("codes", (-1, 6), Int(8), source)
    half = Value("half", (-1, 6), Int(8), halved)
    program = tiny((q.Requantize(4, multiplied(1.0, halved)), (codes,), half))
    comparison = compare_onnxruntime(program, drawn(program))
    assert comparison.equal == 1
    assert [output.largest for output in comparison.outputs] == [0]


def test_bounds_and_multipliers_may_differ_by_channel() -> None:
    source, target = scaled(Int(8), 0.05, 4), scaled(Int(8), 0.04, -7)
    codes = Value("codes", (-1, 3, 3, 4), Int(8), source)
    clipped = Value("clipped", (-1, 3, 3, 4), Int(8), target)
    ratios = np.array([1.25, 0.5, 0.0, 2.0])
    requant = multiplied(ratios, target)
    bounded = Requant(
        requant.multiplier,
        requant.shift,
        -7,
        np.array([-7, -20, -128, 0]),
        np.array([90, 127, 0, 9]),
    )
    program = tiny((q.Requantize(4, bounded), (codes,), clipped))
    comparison = compare_onnxruntime(program, drawn(program))
    assert comparison.largest <= 1


def test_an_embedding_of_rows_with_their_own_scales_differs_by_at_most_one_code() -> None:
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.01, 0.03, (11, 1)).astype(np.float32)
    table = QuantParams(Int(4), scale)
    output = scaled(Int(8), 0.002, 1)
    rows = Value("rows", (-1, 5, 7), Int(8), output)
    weight = Value("table", (11, 7), Int(4), table)
    indices, y = Value("ids", (-1, 5), Int(64)), Value("y", (-1, 5, 7), FP32)
    op = q.QEmbedding(None, multiplied(scale.ravel() / 0.002, output))
    constants = {"table": rng.integers(-8, 8, (11, 7)).astype(np.int8)}
    nodes = (Node(op, (indices, weight), rows), Node(q.Dequantize(output), (rows,), y))
    program: Program = Graph((indices,), (y,), nodes, constants)
    assert compare_onnxruntime(program, drawn(program)).largest <= 1


def test_weights_of_a_dynamic_layer_need_no_params() -> None:
    for program in layer_examples():
        if isinstance(program.nodes[0].op, q.DynamicConv2d | q.DynamicLinear):
            inputs = drawn(program)
            made, expected = run(to_onnx(program), inputs), load(program)(inputs)
            np.testing.assert_allclose(made["layer"], expected["layer"], rtol=1e-5, atol=1e-5)


def test_real_numbers_of_fewer_bits_are_cast() -> None:
    params = QuantParams(FP16, np.asarray(0.3, np.float32))
    x, y = Value("x", (-1, 4), FP16, params), Value("y", (-1, 4), FP32)
    program: Program = Graph((x,), (y,), (Node(q.Dequantize(params), (x,), y),), {})
    inputs = drawn(program)
    made, expected = run(to_onnx(program), inputs)["y"], load(program)(inputs)["y"]
    np.testing.assert_array_equal(made, expected)
