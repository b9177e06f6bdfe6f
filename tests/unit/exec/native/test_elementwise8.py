"""Vector kernels on single 8-bit codes equal the reference, at every level of instructions."""

from itertools import product

import numpy as np
import pytest

from intact.exec.native import elementwise
from intact.exec.native.library import native
from intact.ir import float_ops as ops
from intact.ir.attributes import operand_reach
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp, Lookup, Operand, QAdd, QMul, QPrelu, QSub
from intact.ir.shapes import output_shape
from intact.numerics.fixedpoint import INT32_MAX, Requant, quantize_multiplier
from intact.numerics.formats import Int
from tests.unit.exec.native.running import no_constants, run_op
from tests.unit.exec.native.sweeping import (
    FORMATS,
    between,
    check,
    draw,
    draw_format,
    draw_requant,
    draw_shapes,
    draw_zero_point,
)

BYTES = [format for format in FORMATS if format.bits <= 8]
CASES = 60
LEFT_SHIFT = 20

each_level = pytest.mark.usefixtures("isa")


def every_pair(a: Int, b: Int) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays that broadcast to all pairs of codes."""
    return a.codes()[:, None], b.codes()[None, :]


def real_requant(multiplier: float, zero_point: int, output: Int) -> Requant:
    """Multiplication by a real number; every code can be reached."""
    numbers = quantize_multiplier(np.array([multiplier]))
    return Requant(*numbers, zero_point, np.array([output.qmin]), np.array([output.qmax]))


def real_sum(
    rng: np.random.Generator, kind: type, formats: list[Int], scales: tuple[float, float, float]
) -> QAdd | QSub:
    """As lowering makes it from the scales of a, b and the output."""
    a, b, output = formats
    common = 2 * max(scales[:2])
    operands = []
    for format, scale in zip((a, b), scales[:2], strict=True):
        multiplier, shift = quantize_multiplier(np.array([scale / common]))
        point = draw_zero_point(rng, format)
        operands.append(Operand(point, int(multiplier[0]), int(shift[0])))
    multiplier = common / (scales[2] * (1 << LEFT_SHIFT))
    scaled = real_requant(multiplier, draw_zero_point(rng, output), output)
    return kind(*operands, LEFT_SHIFT, scaled)


def node_of(op: IntOp, inputs: list[tuple[Int, np.ndarray]], output: Int) -> Node[IntOp]:
    values = tuple(Value(f"x{i}", x.shape, format) for i, (format, x) in enumerate(inputs))
    return Node(op, values, Value("y", output_shape(op, [v.shape for v in values]), output))


@pytest.mark.parametrize("kind", [QAdd, QSub])
def test_sums_of_every_pair_of_codes(kind: type, isa: native.Isa) -> None:
    rng = np.random.default_rng(kind is QAdd)
    for _ in range(CASES // 2):
        formats = [Int(8, signed=bool(rng.random() < 0.7)) for _ in range(3)]
        scales = tuple(float(scale) for scale in 2.0 ** rng.uniform(-3, 1, 3))
        op = real_sum(rng, kind, formats, scales)
        a, b = every_pair(*formats[:2])
        inputs = [(formats[0], a), (formats[1], b)]
        check(op, inputs, formats[2])
        made = elementwise.sum_(op, node_of(op, inputs, formats[2]), no_constants())
        vectors = isa is not native.Isa.none
        assert made.op.kernel.split()[1] == (f"sum_s8_{isa.name}" if vectors else "table")


@each_level
@pytest.mark.parametrize("scales", [(1, 1, 1), (1, 1, 2), (1, 0.5, 4), (0.25, 1, 1), (1, 1, 3)])
def test_sums_with_many_ties(scales: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(5)
    for kind in (QAdd, QSub):
        formats = [Int(8), Int(8, signed=False), Int(8)]
        op = real_sum(rng, kind, formats, scales)
        a, b = every_pair(*formats[:2])
        check(op, [(formats[0], a), (formats[1], b)], formats[2])


@each_level
def test_sums_that_broadcast() -> None:
    rng = np.random.default_rng(6)
    for _ in range(CASES):
        formats = [draw_format(rng, high=8) for _ in range(3)]
        scales = tuple(float(scale) for scale in 2.0 ** rng.uniform(-3, 1, 3))
        op = real_sum(rng, QAdd if rng.random() < 0.5 else QSub, formats, scales)
        shapes = draw_shapes(rng)
        inputs = [
            (format, draw(rng, shape, format))
            for format, shape in zip(formats, shapes, strict=False)
        ]
        check(op, inputs, formats[2])


@each_level
def test_sums_of_any_parameters() -> None:
    rng = np.random.default_rng(7)
    for _ in range(CASES):
        a, b, output = (draw_format(rng, high=8) for _ in range(3))
        operands = [
            Operand(
                draw_zero_point(rng, format),
                int(rng.choice([0, 1 << 30, INT32_MAX, between(rng, 1 << 30, INT32_MAX)])),
                between(rng, -31, 30) if rng.random() < 0.3 else between(rng, -8, 0),
            )
            for format in (a, b)
        ]
        left_shift = between(rng, 0, 22)
        largest = sum(
            operand_reach(operand, left_shift, format, "x")
            for operand, format in zip(operands, (a, b), strict=True)
        )
        op = QAdd(*operands, left_shift, draw_requant(rng, output, largest))
        x, y = every_pair(a, b)
        check(op, [(a, x), (b, y)], output)


@each_level
@pytest.mark.parametrize("count", [1, 31, 63, 64, 65, 127, 128, 129, 400, 70_001])
def test_lookups_of_any_length(count: int) -> None:
    rng = np.random.default_rng(count)
    for source, output in product(BYTES, [Int(8), Int(8, signed=False), Int(16)]):
        table = rng.integers(output.qmin, output.qmax + 1, 1 << source.bits)
        op = Lookup(table.astype(output.storage), ops.Silu())
        x = np.resize(source.codes(), count)
        rng.shuffle(x)
        check(op, [(source, x)], output)


@each_level
def test_lookups_anywhere_in_memory(isa: native.Isa) -> None:
    rng = np.random.default_rng(8)
    table = rng.integers(-128, 128, 256).astype(np.int32)
    made = native.lookup(-128, table, native.DType.int8, isa)
    for count, offset in product([64, 130, 300], range(4)):
        x = rng.integers(-128, 128, count + offset).astype(np.int8)[offset:]
        expected = table[x.astype(int) + 128].astype(np.int8)
        np.testing.assert_array_equal(run_op(made, [x], expected), expected)


@each_level
def test_prelu_of_one_slope() -> None:
    rng = np.random.default_rng(9)
    for _ in range(CASES // 2):
        source, slope, output = (draw_format(rng, high=8) for _ in range(3))
        points = draw_zero_point(rng, source), draw_zero_point(rng, slope)
        largest = max(source.qmax - points[0], points[0] - source.qmin)
        positive = draw_requant(rng, output, largest)
        largest *= max(slope.qmax - points[1], points[1] - slope.qmin)
        op = QPrelu(*points, positive, draw_requant(rng, output, largest))
        inputs = [(source, source.codes()[:, None]), (slope, draw(rng, (1,), slope))]
        check(op, inputs, output, [1])


def real_product(rng: np.random.Generator, formats: list[Int], spread: float) -> QMul:
    """Products reach over `spread` times the output's codes."""
    points = [draw_zero_point(rng, format) for format in formats]
    reaches = [
        max(format.qmax - point, point - format.qmin)
        for format, point in zip(formats, points, strict=True)
    ]
    multiplier = spread * (formats[2].qmax - formats[2].qmin) / (reaches[0] * reaches[1])
    return QMul(*points[:2], real_requant(multiplier, points[2], formats[2]))


def test_products_of_every_pair_of_codes(isa: native.Isa) -> None:
    rng = np.random.default_rng(10)
    for _ in range(CASES):
        formats = [Int(8, signed=bool(rng.random() < 0.7)) for _ in range(3)]
        op = real_product(rng, formats, float(2.0 ** rng.uniform(-1, 3)))
        a, b = every_pair(*formats[:2])
        inputs = [(formats[0], a), (formats[1], b)]
        check(op, inputs, formats[2])
        made = elementwise.mul(op, node_of(op, inputs, formats[2]), no_constants())
        vectors = isa is not native.Isa.none
        assert made.op.kernel == (f"mul mul_s8_{isa.name}" if vectors else "mul table")


@each_level
@pytest.mark.parametrize("exponent", range(-10, 1))
def test_products_with_many_ties(exponent: int) -> None:
    rng = np.random.default_rng(11)
    for output in (Int(8), Int(8, signed=False)):
        for points in [(0, 128), (-128, 0), (3, 77)]:
            scaled = real_requant(2.0**exponent, draw_zero_point(rng, output), output)
            a, b = every_pair(Int(8), Int(8, signed=False))
            inputs = [(Int(8), a), (Int(8, signed=False), b)]
            check(QMul(*points, scaled), inputs, output)


@each_level
def test_products_that_broadcast() -> None:
    rng = np.random.default_rng(12)
    for _ in range(CASES):
        formats = [draw_format(rng, high=8) for _ in range(3)]
        op = real_product(rng, formats, float(2.0 ** rng.uniform(-1, 3)))
        shapes = draw_shapes(rng)
        if rng.random() < 0.3:  # a gate for each channel
            channels = int(rng.choice([3, 16, 40, 64, 100]))
            shapes = (2, between(rng, 1, 40), 7, channels), (2, 1, 1, channels)
        inputs = [
            (format, draw(rng, shape, format))
            for format, shape in zip(formats, shapes, strict=False)
        ]
        check(op, inputs, formats[2])


@each_level
def test_products_of_any_parameters() -> None:
    rng = np.random.default_rng(13)
    for _ in range(CASES):
        a, b, output = (draw_format(rng, high=8) for _ in range(3))
        points = draw_zero_point(rng, a), draw_zero_point(rng, b)
        x, y = every_pair(a, b)
        check(QMul(*points, draw_requant(rng, output, 65025)), [(a, x), (b, y)], output)


@each_level
def test_codes_anywhere_in_memory() -> None:
    rng = np.random.default_rng(14)
    formats = [Int(8), Int(8, signed=False), Int(8)]
    for build, op in (
        (elementwise.mul, real_product(rng, formats, 2.0)),
        (elementwise.sum_, real_sum(rng, QAdd, formats, (1, 0.7, 1.3))),
    ):
        x, y = (draw(rng, (5, 111), format) for format in formats[:2])
        expected = check(op, [(formats[0], x), (formats[1], y)], formats[2])
        inputs = [(formats[0], x), (formats[1], y)]
        made = build(op, node_of(op, inputs, formats[2]), no_constants()).op
        for offset in (1, 3):
            moved = []
            for codes in (x, y):
                storage = np.zeros(codes.size + offset, codes.dtype)[offset:]
                storage[:] = codes.ravel()
                moved.append(storage.reshape(codes.shape))
            np.testing.assert_array_equal(run_op(made, moved, expected), expected)
