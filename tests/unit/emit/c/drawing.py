"""Random operations of every kind, and Programs of several of them side by side."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.attributes import operand_reach
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp, Program
from intact.ir.shapes import output_shape
from intact.ir.verify import verify
from intact.numerics.arrays import Array
from intact.numerics.fixedpoint import INT32_MAX
from intact.numerics.formats import Format, Int
from tests.unit.exec.native.drawing import draw_layer
from tests.unit.exec.native.sweeping import (
    Shape,
    between,
    draw,
    draw_format,
    draw_requant,
    draw_shapes,
    draw_zero_point,
    reach,
)
from tests.unit.exec.native.test_elementwise import draw_operand
from tests.unit.exec.native.test_normalization import draw_normalization
from tests.unit.exec.native.test_portable_layers import draw_window

Rng = np.random.Generator
_ATTEMPTS = 50  # until the attributes of a window fit its input


@dataclass(frozen=True)
class Case:
    """An operation with its inputs; those named in `constants` are the Program's own."""

    op: IntOp
    inputs: Sequence[tuple[Format, Array]]
    output: Format
    constants: Sequence[int] = ()


def program_of(cases: Sequence[Case]) -> tuple[Program, dict[str, Array]]:
    """All cases in one Program, and the codes of its inputs."""
    inputs, outputs, nodes = [], [], []
    constants: dict[str, Array] = {}
    codes: dict[str, Array] = {}
    for number, case in enumerate(cases):
        values = [Value(f"x{number}.{i}", a.shape, f) for i, (f, a) in enumerate(case.inputs)]
        shape = output_shape(case.op, [value.shape for value in values])
        out = Value(f"y{number}", shape, case.output)
        nodes.append(Node(case.op, tuple(values), out))
        outputs.append(out)
        for i, (value, (_, array)) in enumerate(zip(values, case.inputs, strict=True)):
            own = i in case.constants
            (constants if own else codes)[value.name] = array.copy(order="C")
            inputs += [] if own else [value]
    program = Graph(tuple(inputs), tuple(outputs), tuple(nodes), constants)
    verify(program)
    return program, codes


def _fitting(make: Callable[[], Case]) -> Case:
    for _ in range(_ATTEMPTS):
        case = make()
        try:
            output_shape(case.op, [array.shape for _, array in case.inputs])
        except ValueError:
            continue
        return case
    raise AssertionError("no attributes fit")


def convolution(rng: Rng, kind: str, op: type = int_ops.QConv2d) -> Case:
    attributes, shape, channels = draw_window(rng, kind)
    layer = draw_layer(rng, shape)
    images = int(rng.choice([1, 1, 2]))
    x = draw(rng, (images, *(int(n) for n in rng.integers(7, 10, 2)), channels), layer.source)
    if op is int_ops.QConvTranspose2d:
        attributes["output_padding"] = tuple(int(p) for p in rng.integers(0, 3, 2))
    made = op(
        **attributes,
        input_zero_point=layer.zero_point,
        weight_zero_point=layer.weight_zero_point,
        requant=layer.requant,
        weight_shift=layer.weight_shift,
    )
    inputs = [
        (layer.source, x), (layer.weight_format, layer.weight), (layer.bias_format, layer.bias),
    ]  # fmt: skip
    return Case(made, inputs, layer.output, (1, 2))


def linear(rng: Rng) -> Case:
    layer = draw_layer(rng, (between(rng, 1, 40), between(rng, 1, 70)))
    x = draw(rng, (1, between(rng, 1, 3), layer.weight.shape[1]), layer.source)
    op = int_ops.QLinear(
        layer.zero_point, layer.weight_zero_point, layer.requant, layer.weight_shift
    )
    inputs = [
        (layer.source, x), (layer.weight_format, layer.weight), (layer.bias_format, layer.bias),
    ]  # fmt: skip
    return Case(op, inputs, layer.output, (1, 2))


def embedding(rng: Rng) -> Case:
    rows = between(rng, 1, 9)
    layer = draw_layer(rng, (rows, between(rng, 1, 40)))
    op = int_ops.QEmbedding(layer.weight_zero_point, draw_requant(rng, layer.output, 1 << 16, rows))
    bits = int(rng.choice([32, 64]))
    indices = rng.integers(0, rows, (2, 3)).astype(f"int{bits}")
    return Case(op, [(Int(bits), indices), (layer.weight_format, layer.weight)], layer.output, (1,))


def matmul(rng: Rng) -> Case:
    a_format, b_format, output = (draw_format(rng) for _ in range(3))
    depth, columns = between(rng, 1, 40), between(rng, 1, 40)
    a = draw(rng, (2, 3, between(rng, 1, 5), depth), a_format)
    b = draw(rng, (*((2, 1), (3,), ())[between(rng, 0, 2)], depth, columns), b_format)
    points = draw_zero_point(rng, a_format), draw_zero_point(rng, b_format)
    largest = depth * reach(a_format, points[0]) * reach(b_format, points[1])
    op = int_ops.QMatMul(*points, draw_requant(rng, output, largest, columns))
    return Case(op, [(a_format, a), (b_format, b)], output)


def sum_(rng: Rng) -> Case:
    a_format, b_format, output = (draw_format(rng) for _ in range(3))
    a_shape, b_shape = draw_shapes(rng)
    points = draw_zero_point(rng, a_format), draw_zero_point(rng, b_format)
    most = max(reach(a_format, points[0]), reach(b_format, points[1]))
    left_shift = min(30, 31 - most.bit_length()) - between(rng, 0, 1)
    a, b = (draw_operand(rng, point) for point in points)
    largest = operand_reach(a, left_shift, a_format, "a")
    largest += operand_reach(b, left_shift, b_format, "b")
    channels = np.broadcast_shapes(a_shape, b_shape)[-1]
    kind = int_ops.QAdd if rng.random() < 0.5 else int_ops.QSub
    op = kind(a, b, left_shift, draw_requant(rng, output, largest, channels))
    inputs = [(a_format, draw(rng, a_shape, a_format)), (b_format, draw(rng, b_shape, b_format))]
    return Case(op, inputs, output, (1,) if rng.random() < 0.3 else ())


def product(rng: Rng) -> Case:
    a_format, b_format, output = (draw_format(rng) for _ in range(3))
    shapes = draw_shapes(rng)
    points = draw_zero_point(rng, a_format), draw_zero_point(rng, b_format)
    largest = reach(a_format, points[0]) * reach(b_format, points[1])
    channels = np.broadcast_shapes(*shapes)[-1]
    op = int_ops.QMul(*points, draw_requant(rng, output, largest, channels))
    inputs = [(f, draw(rng, s, f)) for f, s in zip((a_format, b_format), shapes, strict=True)]
    return Case(op, inputs, output)


def requantize(rng: Rng) -> Case:
    format, output, channels = draw_format(rng), draw_format(rng), between(rng, 1, 70)
    point = draw_zero_point(rng, format)
    op = int_ops.Requantize(point, draw_requant(rng, output, reach(format, point), channels))
    return Case(op, [(format, draw(rng, (3, channels), format))], output)


def prelu(rng: Rng) -> Case:
    format, slope_format, output = (draw_format(rng) for _ in range(3))
    channels = int(rng.choice([1, 3, 70]))
    slope = draw(rng, (int(rng.choice([1, channels])),), slope_format)
    points = draw_zero_point(rng, format), draw_zero_point(rng, slope_format)
    largest = reach(format, points[0])
    positive = draw_requant(rng, output, largest, channels)
    negative = draw_requant(rng, output, largest * reach(slope_format, points[1]), channels)
    inputs = [(format, draw(rng, (7, channels), format)), (slope_format, slope)]
    constants = (1,) if rng.random() < 0.7 else ()
    return Case(int_ops.QPrelu(*points, positive, negative), inputs, output, constants)


def lookup(rng: Rng) -> Case:
    format, output = draw_format(rng, 1, 8), draw_format(rng)
    table = rng.integers(output.qmin, output.qmax + 1, 1 << format.bits).astype(output.storage)
    return Case(int_ops.Lookup(table, ops.Silu()), [(format, format.codes())], output)


def interpolated_lookup(rng: Rng) -> Case:
    format, output = draw_format(rng, 9), draw_format(rng)
    limit = int(rng.choice([100, 40000, 1 << 23]))
    table = rng.integers(-limit, limit + 1, 513).astype(np.int32)
    x = draw(rng, (3, 70), format)
    return Case(int_ops.InterpolatedLookup(table, ops.Tanh()), [(format, x)], output)


def softmax(rng: Rng) -> Case:
    format, output = draw_format(rng, 1, 8), draw_format(rng, 1, 8)
    shift = between(rng, 15, 30) if rng.random() < 0.7 else between(rng, -31, 30)
    diff_min = -math.floor(31 * 2**26 / 2.0 ** max(shift, 0))
    op = int_ops.QSoftmax(between(rng, 1 << 30, INT32_MAX), shift, max(diff_min, -INT32_MAX))
    return Case(op, [(format, draw(rng, (3, between(rng, 1, 200)), format))], output)


def softmax16(rng: Rng) -> Case:
    format, output = draw_format(rng, 9), draw_format(rng, 9)
    exponentials = np.rint(np.exp(np.linspace(-10, 0, 513)) * 32767).astype(np.int16)
    reciprocals = np.rint(32767 / (1 + np.linspace(0, 1, 513))).astype(np.int16)
    multiplier, shift = between(rng, 1 << 30, INT32_MAX), between(rng, -6, 6)
    op = int_ops.QSoftmax16(multiplier, shift, exponentials, reciprocals)
    return Case(op, [(format, draw(rng, (3, between(rng, 1, 200)), format))], output)


def layer_norm(rng: Rng) -> Case:
    format, output = draw_format(rng), draw_format(rng)
    shape, axes = (3, 4, int(rng.choice([1, 63, 65, 130]))), between(rng, 1, 2)
    normalization = draw_normalization(rng, output, math.prod(shape[-axes:]))
    return Case(
        int_ops.QLayerNorm(axes, normalization), [(format, draw(rng, shape, format))], output
    )


def group_norm(rng: Rng) -> Case:
    format, output, groups = draw_format(rng), draw_format(rng), between(rng, 1, 4)
    channels = groups * int(rng.choice([1, 2, 5, 70]))
    op = int_ops.QGroupNorm(groups, draw_normalization(rng, output, channels))
    return Case(op, [(format, draw(rng, (2, 3, 4, channels), format))], output)


def pool(rng: Rng) -> Case:
    def make() -> Case:
        format = draw_format(rng)
        shape = between(rng, 1, 2), between(rng, 3, 9), between(rng, 3, 9), between(rng, 1, 70)
        x = draw(rng, shape, format)
        kernel, stride = (tuple(int(n) for n in rng.integers(1, 4, 2)) for _ in range(2))
        pads = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (2, 2)))
        op: IntOp = int_ops.QMaxPool2d(kernel, stride, pads, (between(rng, 1, 2), 1))
        if rng.random() < 0.5:
            zero_point, overhang = draw_zero_point(rng, format), (between(rng, 0, 1), 0)
            op = int_ops.QAvgPool2d(
                kernel, stride, pads, bool(rng.integers(2)), overhang, zero_point
            )
        return Case(op, [(format, x)], format)

    return _fitting(make)


def resize(rng: Rng) -> Case:
    format = draw_format(rng)
    shape = between(rng, 1, 2), between(rng, 1, 9), between(rng, 1, 9), between(rng, 1, 70)
    x = draw(rng, shape, format)
    size = between(rng, 1, 13), between(rng, 1, 13)
    kinds: list[IntOp] = [
        int_ops.QAdaptiveAvgPool2d(size),
        int_ops.QResizeNearest2d(size),
        int_ops.QResizeBilinear2d(size, bool(rng.integers(2))),
        ops.ResizeNearest((size[0], size[1])),
    ]
    return Case(kinds[between(rng, 0, 3)], [(format, x)], format)


def mean(rng: Rng) -> Case:
    format, output, rank = draw_format(rng), draw_format(rng), between(rng, 1, 5)
    shape = (*(between(rng, 1, 6) for _ in range(rank - 1)), int(rng.choice([1, 3, 64, 130])))
    axes = tuple(int(axis) for axis in rng.permutation(rank)[: between(rng, 1, rank)])
    keepdims, point = bool(rng.integers(2)), draw_zero_point(rng, format)
    largest = reach(format, point) * math.prod(shape[axis] for axis in axes)
    kept = [1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes]
    requant = draw_requant(rng, output, largest, kept[-1] if kept else 1)
    op = int_ops.QMean(axes, keepdims, point, requant)
    return Case(op, [(format, draw(rng, shape, format))], output)


def movement(rng: Rng) -> Case:
    format = Int(int(rng.choice([8, 16, 32, 64])))
    rank = between(rng, 1, 4)
    shape = tuple(int(rng.choice([1, 2, 5, 9])) for _ in range(rank))
    axis = between(rng, 0, rank - 1)
    start = between(rng, 0, shape[axis] - 1)
    kinds: list[IntOp] = [
        ops.Permute(tuple(int(i) for i in rng.permutation(rank))),
        ops.Slice(axis, start, between(rng, start + 1, shape[axis]), between(rng, 1, 3)),
        ops.Expand(tuple(between(rng, 1, 5) if n == 1 else n for n in shape)),
        ops.Reshape((math.prod(shape),)),
        ops.Concat(axis),
        _pad(rng, shape),
    ]
    op = kinds[between(rng, 0, len(kinds) - 1)]
    count = between(rng, 1, 3) if isinstance(op, ops.Concat) else 1
    inputs = [(format, rng.integers(-100, 100, shape).astype(format.storage)) for _ in range(count)]
    return Case(op, inputs, format, (0,) if rng.random() < 0.2 and count > 1 else ())


def _pad(rng: Rng, shape: Shape) -> ops.Pad:
    mode = list(ops.PadMode)[between(rng, 0, 3)]
    limits = {ops.PadMode.REFLECT: -1, ops.PadMode.CIRCULAR: 0}
    most = [min(n + limits.get(mode, 4), 4) for n in shape]
    pads = tuple((between(rng, 0, n), between(rng, 0, n)) for n in most)
    return ops.Pad(pads, mode, 3.0)


KINDS: Mapping[str, Callable[[Rng], Case]] = {
    "dense": lambda rng: convolution(rng, "dense"),
    "grouped": lambda rng: convolution(rng, "grouped"),
    "depthwise": lambda rng: convolution(rng, "depthwise"),
    "transposed": lambda rng: convolution(rng, "grouped", int_ops.QConvTranspose2d),
    "linear": linear,
    "embedding": embedding,
    "matmul": matmul,
    "sum": sum_,
    "product": product,
    "requantize": requantize,
    "prelu": prelu,
    "lookup": lookup,
    "interpolated_lookup": interpolated_lookup,
    "softmax": softmax,
    "softmax16": softmax16,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "pool": pool,
    "resize": resize,
    "mean": mean,
    "movement": movement,
}
