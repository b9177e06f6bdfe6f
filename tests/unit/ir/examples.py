"""Programs for tests: one legal node of every operation, and a small network."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from intact.ir import float_ops as ops
from intact.ir import int_ops as q
from intact.ir.graph import Graph, Node, Shape, Value
from intact.ir.int_ops import IntOp, Program
from intact.numerics.arrays import Array
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN, Requant
from intact.numerics.formats import (
    BF16,
    E4M3,
    FP16,
    FP32,
    Binary,
    Float,
    Format,
    Int,
    MidRise,
    PowerOfTwo,
    Ternary,
)
from intact.numerics.qtensor import QuantParams

S8, S16, INDEX = Int(8), Int(16), Int(64)
IMAGE, CODES = (-1, 4, 6, 6), (-1, 6, 6, 4)  # channels first, channels last
PADS = ((1, 1), (1, 1))
REFLECT = ops.PadMode.REFLECT


def params(format: Format, scale: float = 0.05, zero_point: int | None = None) -> QuantParams:
    offset = None if zero_point is None else np.asarray(zero_point)
    return QuantParams(format, np.float32(scale), offset)


def requant(channels: int = 1, bits: int = 8, accumulator_bits: int = 32) -> Requant:
    return Requant(
        multiplier=(1 << 30) + np.arange(channels),
        shift=-7 - np.arange(channels) % 3,
        zero_point=-1,
        qmin=np.array([-(1 << (bits - 1))]),
        qmax=np.array([(1 << (bits - 1)) - 1]),
        accumulator_bits=accumulator_bits,
    )


def filled(format: Format, shape: Shape) -> Array:
    """Codes of the format, all of them if there is room."""
    if isinstance(format, Float):
        return np.linspace(-2, 2, int(np.prod(shape))).reshape(shape).astype(format.storage)
    lowest = -3 if isinstance(format, Int) and format.signed else 0
    codes = format.codes() if format.bits <= 16 else np.arange(lowest, 50, dtype=format.storage)
    return np.resize(codes, shape).astype(format.storage)


class Sketch:
    """A Program of one node, its constants filled."""

    def __init__(self) -> None:
        self.constants: dict[str, Array] = {}

    def constant(self, name: str, format: Format, *shape: int) -> Value:
        self.constants[name] = filled(format, shape)
        return Value(name, shape, format)

    def program(self, op: IntOp, inputs: Sequence[Value], output: Value) -> Program:
        given = tuple(value for value in inputs if value.name not in self.constants)
        node = Node(op, tuple(inputs), output)
        return Graph(given, (output,), (node,), self.constants)


def one(
    op: IntOp, x: Value, out: Shape, dtype: Format, *parameters: tuple[Format, Shape]
) -> Program:
    """x and the parameters' constants in, a value of this shape and dtype out."""
    sketch = Sketch()
    inputs = [x]
    for index, (format, shape) in enumerate(parameters):
        inputs.append(sketch.constant(f"layer.parameter{index}", format, *shape))
    return sketch.program(op, inputs, Value("layer", out, dtype))


def two(op: IntOp, shape: Shape, dtype: Format, other: Shape, out: Shape) -> Program:
    """Two graph inputs, one output, all of one dtype."""
    a, b = Value("a", shape, dtype), Value("b", other, dtype)
    return Sketch().program(op, (a, b), Value("layer", out, dtype))


def real(*shape: int) -> Value:
    return Value("x", shape, FP32)


def coded(*shape: int, dtype: Format = S8) -> Value:
    return Value("x", shape, dtype)


def normalization(channels: int) -> q.Normalization:
    return q.Normalization(
        epsilon=1 << 40,
        gain_sign=np.resize([1, -1, 0], channels),
        gain=Requant(
            multiplier=np.full(channels, 1 << 30),
            shift=np.full(channels, -4),
            zero_point=0,
            qmin=np.array([INT32_MIN]),
            qmax=np.array([INT32_MAX]),
        ),
        beta=np.arange(channels) * 100,
        zero_point=3,
        qmin=-128,
        qmax=127,
    )


def float_examples() -> list[Program]:
    """One of each `FloatOp`."""
    x, same = real(*IMAGE), (*IMAGE,)
    vector = (FP32, (4,))
    unary = (
        ops.Relu(), ops.Clamp(0.0, None), ops.LeakyRelu(0.1), ops.HardSigmoid(), ops.HardSwish(),
        ops.Sigmoid(), ops.Tanh(), ops.Silu(), ops.Gelu(tanh=True), ops.Softmax(1),
        ops.Dropout(0.5),
    )  # fmt: skip
    return [
        *(one(op, x, same, FP32) for op in unary),
        one(ops.Conv((2, 2), PADS, (1, 1), 2), x,
            (-1, 6, 3, 3), FP32, (FP32, (6, 2, 3, 3)), (FP32, (6,))),
        one(ops.ConvTranspose((2, 2), PADS, (1, 1), (1, 1), 2), x,
            (-1, 6, 12, 12), FP32, (FP32, (4, 3, 3, 3))),
        one(ops.Linear(), x, (-1, 4, 6, 5), FP32, (FP32, (5, 6)), (FP32, (5,))),
        two(ops.MatMul(), (-1, 2, 5, 7), FP32, (-1, 1, 7, 3), (-1, 2, 5, 3)),
        one(ops.Embedding(), coded(-1, 9, dtype=INDEX), (-1, 9, 3), FP32, (FP32, (11, 3))),
        one(ops.BatchNorm(1e-5), x, same, FP32, *(vector,) * 4),
        one(ops.LayerNorm(2, 1e-5), x, same, FP32, *((FP32, (6, 6)),) * 2),
        one(ops.GroupNorm(2, 1e-5), x, same, FP32, vector, vector),
        two(ops.Add(), IMAGE, FP32, (4, 1, 1), IMAGE),
        two(ops.Sub(), (6,), FP32, IMAGE, IMAGE),
        two(ops.Mul(), IMAGE, FP32, (1,), IMAGE),
        two(ops.Concat(1), IMAGE, S8, (-1, 3, 6, 6), (-1, 7, 6, 6)),
        one(ops.ChannelClamp(), x, same, FP32, vector, vector),
        one(ops.Prelu(), x, same, FP32, vector),
        one(ops.MaxPool((2, 2), (2, 2), ((0, 0), (0, 1)), (1, 1)), x, (-1, 4, 3, 3), FP32),
        one(ops.AvgPool((3, 3), (2, 2), PADS, True, (0, 1)), x, (-1, 4, 3, 4), FP32),
        one(ops.AdaptiveAvgPool((4, 1)), x, (-1, 4, 4, 1), FP32),
        one(ops.Mean((2, 3), False), x, (-1, 4), FP32),
        one(ops.ResizeNearest((12, 3)), x, (-1, 4, 12, 3), FP32),
        one(ops.ResizeBilinear((9, 9), align_corners=True), x, (-1, 4, 9, 9), FP32),
        one(ops.Pad(((0, 0),) * 2 + ((2, 1), (0, 5)), REFLECT), x, (-1, 4, 9, 11), FP32),
        one(ops.Reshape((-4, 36)), coded(*IMAGE), (-4, 36), S8),
        one(ops.Permute((0, 2, 3, 1)), coded(*IMAGE), CODES, S8),
        one(ops.Slice(2, 1, 6, 2), coded(*IMAGE), (-1, 4, 3, 6), S8),
        one(ops.Expand((-1, 4)), coded(1, 4), (-1, 4), S8),
    ]  # fmt: skip


def layer_examples() -> list[Program]:
    """One of each integer operation with weights."""
    x, out = coded(*CODES), (-1, 3, 3, 6)
    six = (Int(32), (6,))
    scale = (FP32, (6,))
    zero_points = (1, -2, 0, 0, 3, 0)
    conv = q.QConv2d((2, 2), PADS, (1, 1), 2, -128, None, requant(6))
    dynamic = q.DynamicConv2d((2, 2), PADS, (1, 1), 1, Int(8, narrow=True))
    transposed = q.QConvTranspose2d((2, 2), PADS, (1, 1), (1, 1), 1, 0, zero_points, requant(6))
    return [
        one(conv, x, out, S8, (Int(4), (6, 3, 3, 2)), six),
        one(q.QLinear(5, None, requant(6), 4), coded(-1, 7), (-1, 6), S8, (Int(4), (6, 7)), six),
        one(transposed, x, (-1, 12, 12, 6), S8, (Int(8, narrow=True), (6, 3, 3, 4)), six),
        one(q.QLinear(5, None, requant(6)), coded(-1, 7),
            (-1, 6), S8, (PowerOfTwo(4), (6, 7)), six),
        two(q.QMatMul(1, -1, requant()), (-1, 2, 5, 7), S8, (-1, 1, 7, 3), (-1, 2, 5, 3)),
        one(q.QEmbedding((2,), requant(11)), coded(-1, 9, dtype=INDEX),
            (-1, 9, 3), S8, (Int(3), (11, 3))),
        one(dynamic, real(*CODES), out, FP32, (Binary(), (6, 3, 3, 4)), scale, scale),
        one(q.DynamicLinear(S8), real(-1, 7), (-1, 6), FP32, (Ternary(), (6, 7)), scale, scale),
    ]  # fmt: skip


def code_examples() -> list[Program]:
    """One of each other integer operation."""
    x, wide, same = coded(*CODES), coded(*CODES, dtype=S16), (*CODES,)
    table = np.arange(-128, 128)
    interpolated = np.linspace(-32768, 32767, 513).astype(np.int16)
    exponentials = np.linspace(0, 32767, 513).astype(np.int16)
    a, b = q.Operand(3, 1 << 30, 0), q.Operand(-4, 1 << 30, -3)
    return [
        one(q.Quantize(params(S8, 0.1, -7)), real(*CODES), same, S8),
        one(q.Dequantize(params(FP16, 1.0)), coded(3, 5, dtype=FP16), (3, 5), FP32),
        one(q.Requantize(-3, requant(4, bits=4)), x, same, Int(4)),
        two(q.QAdd(a, b, 20, requant()), CODES, S8, (6, 6, 1), CODES),
        two(q.QSub(a, b, 20, requant()), CODES, S8, CODES, CODES),
        two(q.QMul(3, 4, requant()), CODES, S8, CODES, CODES),
        one(q.Lookup(table, ops.HardSwish()), x, same, S8),
        one(q.InterpolatedLookup(interpolated, ops.Gelu(tanh=True)), wide, same, S16),
        one(q.QPrelu(1, 0, requant(), requant(4)), x, same, S8, (S8, (4,))),
        one(q.QSoftmax(1 << 30, 20, -124), x, same, S8),
        one(q.QSoftmax16(1 << 30, -2, exponentials, interpolated[::-1]), wide, same, S16),
        one(q.QLayerNorm(2, normalization(24)), x, same, S8),
        one(q.QGroupNorm(2, normalization(4)), x, same, S8),
        one(q.QMaxPool2d((2, 2), (2, 2), PADS, (1, 1)), x, (-1, 4, 4, 4), S8),
        one(q.QAvgPool2d((3, 3), (2, 2), PADS, False, (0, 1), 4), x, (-1, 3, 4, 4), S8),
        one(q.QAdaptiveAvgPool2d((4, 5)), x, (-1, 4, 5, 4), S8),
        one(q.QMean((1, 2), True, -3, requant(4)), x, (-1, 1, 1, 4), S8),
        one(q.QResizeNearest2d((3, 9)), x, (-1, 3, 9, 4), S8),
        one(q.QResizeBilinear2d((3, 9), False), x, (-1, 3, 9, 4), S8),
    ]  # fmt: skip


def loop_examples() -> list[Program]:
    """Of each loop one: h' = tanh(x + W h + b), and y' = y + h', of which it gives one sequence."""
    return [_loop(FP32, state=0, reverse=True), _loop(S8, state=1, reverse=False)]


def _loop(format: Format, *, state: int, reverse: bool) -> Program:
    """Over 3 steps of x (-1, 3, 4), with states (-1, 4)."""
    sketch, shape = Sketch(), (-1, 4)
    weight = sketch.constant("weight", format, 4, 4)
    bias = sketch.constant("bias", FP32 if format == FP32 else Int(32), 4)
    names = ("step", "h.before", "y.before", "product", "sum", "h", "y")
    x, h, y, product, total, h1, y1 = (Value(name, shape, format) for name in names)
    linear: q.IntBodyOp = q.QLinear(1, None, requant(4))
    add: q.IntBodyOp = q.QAdd(q.Operand(3, 1 << 30, 0), q.Operand(-4, 1 << 30, -3), 20, requant())
    tanh: q.IntBodyOp = q.Lookup(np.arange(-128, 128)[::-1], ops.Tanh())
    if format == FP32:
        linear, add, tanh = ops.Linear(), ops.Add(), ops.Tanh()
    nodes = (
        Node(linear, (h, weight, bias), product),
        Node(add, (x, product), total),
        Node(tanh, (total,), h1),
        Node(add, (y, h1), y1),
    )
    body = Graph[Any]((x, h, y, weight, bias), (h1, y1), nodes, {})
    loop = ops.Scan if format == FP32 else q.QScan
    given = Value("x", (-1, 3, 4), format), Value("h0", shape, format), Value("y0", shape, format)
    op: IntOp = loop(body, axis=1, state=state, reverse=reverse)
    return sketch.program(op, (*given, weight, bias), Value("layer", (-1, 3, 4), format))


def examples() -> list[Program]:
    """A Program of one node for every operation."""
    return [*float_examples(), *layer_examples(), *code_examples(), *loop_examples()]


def name_of(program: Program) -> str:
    """The operation of a Program of one node."""
    return type(program.nodes[0].op).__name__


S4 = Int(4)


def network(weight: Format = S4, channels: int = 20) -> Program:
    """Quantize, NHWC, convolution, mean, Dequantize: what lowering gives for a tiny network."""
    input_params, output_params = params(S8, 0.0235, -128), params(S8, 0.1, 3)
    scale = np.linspace(0.01, 0.02, channels, dtype=np.float32).reshape(-1, 1, 1, 1)
    x = Value("x", (-1, 3, 8, 8), FP32)
    codes = Value("x.codes", x.shape, S8, input_params)
    nhwc = Value("x.nhwc", (-1, 8, 8, 3), S8, input_params)
    kernel = Value("conv.weight", (channels, 3, 3, 3), weight, QuantParams(weight, scale))
    bias = Value("conv.bias", (channels,), Int(32))
    conv = Value("conv", (-1, 4, 4, channels), S8, output_params)
    pool = Value("pool", (-1, channels), S8, output_params)
    y = Value("y", (-1, channels), FP32)
    nodes: tuple[Node[IntOp], ...] = (
        Node(q.Quantize(input_params), (x,), codes),
        Node(ops.Permute((0, 2, 3, 1)), (codes,), nhwc),
        Node(
            q.QConv2d((2, 2), PADS, (1, 1), 1, -128, None, requant(channels)),
            (nhwc, kernel, bias),
            conv,
        ),
        Node(q.QMean((1, 2), False, 3, requant()), (conv,), pool),
        Node(q.Dequantize(output_params), (pool,), y),
    )
    constants = {
        "conv.bias": filled(Int(32), (channels,)),
        "conv.weight": filled(weight, kernel.shape),
    }
    return Graph((x,), (y,), nodes, constants)


FORMATS: tuple[Format, ...] = (
    *(Int(bits) for bits in (2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 32, 64)),
    *(Int(bits, signed=False) for bits in (1, 2, 3, 4, 7, 8, 11, 16)),
    Int(4, narrow=True), Int(8, narrow=True),
    FP32, FP16, BF16, E4M3, Float(5, 2),
    Binary(), *(MidRise(bits) for bits in (2, 3, 7)), Ternary(),
    *(PowerOfTwo(bits) for bits in (2, 3, 4, 5)),
)  # fmt: skip
