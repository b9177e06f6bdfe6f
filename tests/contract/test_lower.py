"""Each float operation's integer form means what the float operation means.

A network of one operation (between two channel-preserving neighbours where layout matters) is
quantized with exact ranges; the reference executor's codes must lie within one code of the float
operation applied to the dequantized inputs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from intact.exec.float_ops import apply
from intact.exec.reference import load, trace
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp, PadMode
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Quantize
from intact.lower.lower import lower_with_reasons
from intact.model import QuantizedModel
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32, Int
from intact.numerics.granularity import PerChannel, scale_shape
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.passes.placement import Observed, placement

BATCH = 3
P1, P2 = ((1, 1),), ((1, 1), (1, 0))


@dataclass(frozen=True)
class Case:
    """One operation on inputs and parameters of the given shapes."""

    name: str
    op: FloatOp
    inputs: tuple[tuple[int, ...], ...]
    parameters: tuple[tuple[int, ...], ...] = ()
    tolerance: int = 1

    def __str__(self) -> str:
        return self.name


IMAGE = (-1, 4, 6, 5)
CASES = (
    Case("conv", ops.Conv((1, 1), P2, (1, 1)), (IMAGE,), ((8, 4, 3, 3), (8,))),
    Case("conv-no-bias", ops.Conv((2, 1), P2, (1, 2)), (IMAGE,), ((8, 4, 3, 2),)),
    Case("conv-grouped", ops.Conv((1, 1), P2, (1, 1), 2), (IMAGE,), ((6, 2, 3, 3), (6,))),
    Case("conv-depthwise", ops.Conv((1, 2), P2, (1, 1), 4), (IMAGE,), ((4, 1, 3, 3), (4,))),
    Case("conv-pointwise", ops.Conv((1, 1), ((0, 0),) * 2, (1, 1)), (IMAGE,), ((8, 4, 1, 1),)),
    Case("conv1d", ops.Conv((2,), P1, (1,)), ((-1, 4, 9),), ((6, 4, 3), (6,))),
    Case(
        "conv-transpose",
        ops.ConvTranspose((2, 2), P2, (1, 0), (1, 1)),
        (IMAGE,),
        ((4, 6, 3, 3), (6,)),
    ),
    Case(
        "conv-transpose-grouped",
        ops.ConvTranspose((2, 1), P2, (0, 0), (1, 1), 2),
        (IMAGE,),
        ((4, 3, 3, 3), (6,)),
    ),
    Case("linear", ops.Linear(), ((-1, 7),), ((5, 7), (5,))),
    Case("linear-rows", ops.Linear(), ((-1, 3, 7),), ((5, 7),)),
    Case("matmul", ops.MatMul(), ((-1, 2, 5, 7), (-1, 2, 7, 3))),
    Case("layer-norm", ops.LayerNorm(1, 1e-5), ((-1, 5, 16),), ((16,), (16,))),
    Case("layer-norm-2", ops.LayerNorm(2, 1e-5), ((-1, 4, 8),), ((4, 8), (4, 8))),
    Case("group-norm", ops.GroupNorm(2, 1e-5), (IMAGE,), ((4,), (4,))),
    Case("group-norm-1d", ops.GroupNorm(2, 1e-5), ((-1, 4, 7),), ((4,), (4,))),
    Case("group-norm-3d", ops.GroupNorm(2, 1e-5), ((-1, 4, 2, 3, 2),), ((4,), (4,))),
    Case("add", ops.Add(), (IMAGE, IMAGE)),
    Case("add-channel", ops.Add(), (IMAGE, (4, 1, 1))),
    Case("add-row", ops.Add(), (IMAGE, (6, 5))),
    Case("sub", ops.Sub(), (IMAGE, IMAGE)),
    Case("mul", ops.Mul(), (IMAGE, (-1, 4, 1, 1))),
    Case("concat", ops.Concat(1), (IMAGE, IMAGE, (-1, 2, 6, 5))),
    Case("relu", ops.Relu(), (IMAGE,)),
    Case("clamp", ops.Clamp(-0.5, 0.7), (IMAGE,)),
    Case("clamp-low", ops.Clamp(0.25, None), (IMAGE,)),
    Case("channel-clamp", ops.ChannelClamp(), (IMAGE,), ((4,), (4,))),
    Case("channel-clamp-1d", ops.ChannelClamp(), ((-1, 4, 7),), ((4,), (4,))),
    Case("channel-clamp-3d", ops.ChannelClamp(), ((-1, 4, 2, 3, 2),), ((4,), (4,))),
    Case("channel-clamp-rows", ops.ChannelClamp(), ((-1, 4),), ((4,), (4,))),
    Case("leaky-relu", ops.LeakyRelu(0.1), (IMAGE,)),
    Case("leaky-relu-negative", ops.LeakyRelu(-0.1), (IMAGE,)),
    Case("prelu", ops.Prelu(), (IMAGE,), ((4,),)),
    Case("prelu-shared", ops.Prelu(), ((-1, 4, 7),), ((1,),)),
    Case("prelu-3d", ops.Prelu(), ((-1, 4, 2, 3, 2),), ((4,),)),
    Case("hard-sigmoid", ops.HardSigmoid(), (IMAGE,)),
    Case("hard-swish", ops.HardSwish(), (IMAGE,)),
    Case("sigmoid", ops.Sigmoid(), (IMAGE,)),
    Case("tanh", ops.Tanh(), (IMAGE,)),
    Case("silu", ops.Silu(), (IMAGE,)),
    Case("gelu", ops.Gelu(), (IMAGE,)),
    Case("gelu-tanh", ops.Gelu(tanh=True), (IMAGE,)),
    Case("softmax", ops.Softmax(2), ((-1, 3, 9),)),
    Case("softmax-channels", ops.Softmax(1), (IMAGE,)),
    Case("softmax-rows", ops.Softmax(2), (IMAGE,)),
    Case("max-pool", ops.MaxPool((3, 2), (2, 1), P2, (1, 1)), (IMAGE,)),
    Case("max-pool-1d", ops.MaxPool((3,), (2,), P1, (1,)), ((-1, 4, 9),)),
    Case("avg-pool", ops.AvgPool((3, 2), (2, 1), P2, False, (0, 0)), (IMAGE,)),
    Case("avg-pool-padded", ops.AvgPool((3, 2), (2, 1), P2, True, (1, 0)), (IMAGE,)),
    Case("adaptive-pool", ops.AdaptiveAvgPool((1, 1)), (IMAGE,)),
    Case("adaptive-pool-odd", ops.AdaptiveAvgPool((4, 3)), (IMAGE,)),
    Case("mean", ops.Mean((2, 3), keepdims=False), (IMAGE,)),
    Case("mean-kept", ops.Mean((2, 3), keepdims=True), (IMAGE,)),
    Case("mean-channels", ops.Mean((1,), keepdims=False), (IMAGE,)),
    Case("mean-rows", ops.Mean((2,), keepdims=False), (IMAGE,)),
    Case("nearest", ops.ResizeNearest((12, 15)), (IMAGE,)),
    Case("bilinear", ops.ResizeBilinear((12, 10), align_corners=False), (IMAGE,)),
    Case("bilinear-corners", ops.ResizeBilinear((11, 9), align_corners=True), (IMAGE,)),
    Case("pad", ops.Pad(((0, 0), (1, 2), (0, 1), (2, 0))), (IMAGE,)),
    Case("pad-number", ops.Pad(((0, 0), (0, 0), (1, 1), (2, 0)), value=9.5), (IMAGE,)),
    Case("pad-reflect", ops.Pad(((0, 0), (0, 0), (1, 1), (2, 0)), PadMode.REFLECT), (IMAGE,)),
    Case("reshape", ops.Reshape((-1, 120)), (IMAGE,)),
    Case("permute", ops.Permute((0, 2, 3, 1)), (IMAGE,)),
    Case("permute-odd", ops.Permute((0, 3, 1, 2)), (IMAGE,)),
    Case("slice", ops.Slice(1, 1, 4, 2), (IMAGE,)),
    Case("expand", ops.Expand((-1, 4, 3, 5)), ((-1, 4, 1, 5),)),
)


def _shape(op: FloatOp, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    arrays = [np.zeros([n if n > 0 else -n * BATCH for n in s], np.float32) for s in shapes]
    shape = apply(op, arrays, BATCH).shape
    batched = any(s[0] < 0 for s in shapes)
    return (-1, *shape[1:]) if batched and shape[0] == BATCH else shape


def network(case: Case, rng: np.random.Generator, *, last: bool) -> Graph[FloatOp]:
    """The case's graph; with `last`, a max pool of one pixel first stores inputs channels last."""
    nodes: list[Node[FloatOp]] = []
    inputs, read = [], []
    for i, shape in enumerate(case.inputs):
        value = Value(f"x{i}", shape, FP32)
        inputs.append(value)
        if last and len(shape) in (3, 4):
            ones = (1,) * (len(shape) - 2)
            op = ops.MaxPool(ones, ones, ((0, 0),) * len(ones), ones)
            moved = Value(f"pooled{i}", shape, FP32)
            nodes.append(Node(op, (value,), moved))
            value = moved
        read.append(value)
    constants = {}
    for i, shape in enumerate(case.parameters):
        constants[f"p{i}"] = rng.normal(size=shape).astype(np.float32)
        read.append(Value(f"p{i}", shape, FP32))
    output = Value("y", _shape(case.op, [*case.inputs, *case.parameters]), FP32)
    nodes.append(Node(case.op, tuple(read), output))
    return Graph(tuple(inputs), (output,), tuple(nodes), constants)


def minmax(x: Array, format: Int) -> QuantParams:
    """Exact range of x, zero included; symmetric for 16 bits."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    if format.bits > 8:
        return QuantParams(format, np.asarray(max(-low, high) / format.qmax, np.float32))
    scale = (high - low) / (format.qmax - format.qmin)
    return QuantParams(
        format, np.asarray(scale, np.float32), np.asarray(round(format.qmin - low / scale))
    )


def quantized(graph: Graph[FloatOp], inputs: dict[str, Array], format: Int) -> QuantizedModel:
    """The graph with exact ranges of every observed value."""
    values: dict[str, Array] = {**inputs, **graph.constants}
    for node in graph.nodes:
        values[node.name] = apply(node.op, [values[v.name] for v in node.inputs], BATCH)
    observed = [n for n, place in placement(graph).items() if isinstance(place, Observed)]
    activations = {name: minmax(values[name], format) for name in observed}
    weights = {}
    for name in graph.constants:
        node = graph.consumers()[name][0]
        is_weight = isinstance(node.op, ops.Conv | ops.ConvTranspose | ops.Linear)
        if is_weight and node.inputs[1].name == name:
            axis = 1 if isinstance(node.op, ops.ConvTranspose) else 0
            weights[name] = absmax(graph.constants[name], PerChannel(axis))
    return QuantizedModel(graph, weights, activations)


def absmax(weight: Array, granularity: PerChannel) -> ScaledTensor:
    """Symmetric int8 weights."""
    shape = scale_shape(weight.shape, granularity)
    others = tuple(i for i, n in enumerate(shape) if n == 1)
    scale = np.abs(weight).max(axis=others, keepdims=True) / 127
    params = QuantParams(Int(8, narrow=True), scale.astype(np.float32))
    return ScaledTensor(params.quantize(weight), params)


@pytest.mark.parametrize("last", [False, True], ids=["plain", "channels-last"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_integer_form_is_within_one_code_of_the_float_operation(
    case: Case, bits: int, last: bool
) -> None:
    rng = np.random.default_rng(7)
    graph = network(case, rng, last=last)
    inputs = {
        value.name: rng.normal(
            0.1, 1.5, [abs(n) * (BATCH if n < 0 else 1) for n in value.shape]
        ).astype(np.float32)
        for value in graph.inputs
    }
    model = quantized(graph, inputs, Int(bits))
    lowered = lower_with_reasons(model)
    assert not lowered.stays_float
    values = trace(lowered.program)(inputs)
    result = load(lowered.program)(inputs)["y"]
    real = []
    for value, source in zip(graph.inputs, case.inputs, strict=True):
        quantize = next(
            n
            for n in lowered.program.nodes
            if isinstance(n.op, Quantize) and n.inputs[0].name == value.name
        )
        real.append(quantize.op.params.dequantize(values[quantize.name]))
        assert real[-1].shape[1:] == source[1:]
    parameters = []
    for i in range(len(case.parameters)):
        weight = model.weights.get(f"p{i}")
        parameters.append(graph.constants[f"p{i}"] if weight is None else weight.dequantize())
    expected = apply(case.op, [*real, *parameters], BATCH)
    output = lowered.program.producers()["y"].inputs[0].params
    assert output is not None
    assert result.shape == expected.shape
    limits = output.dequantize(np.array([output.format.qmin, output.format.qmax]))
    difference = np.abs(result - np.clip(expected, *limits)) / output.scale
    codes_off = float(difference.max())
    # Tables of 513 entries interpolate: a 16-bit result may lie a few codes beside the function.
    allowed = 1.001 if bits == 8 else 8.0
    assert codes_off <= allowed * case.tolerance, f"{codes_off:.2f} codes"
    assert math.isfinite(codes_off)
