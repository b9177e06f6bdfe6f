"""Portable kernels equal the reference however they were compiled."""

import numpy as np
import pytest

from intact.ir import float_ops as ops
from intact.ir.attributes import operand_reach
from intact.ir.int_ops import (
    Dequantize,
    InterpolatedLookup,
    Operand,
    QAdd,
    QMul,
    QResizeBilinear2d,
    QSub,
    Quantize,
    Requantize,
)
from intact.numerics.fixedpoint import INT32_MAX
from intact.numerics.formats import FP32, Int
from intact.numerics.qtensor import QuantParams
from tests.unit.exec.native.sweeping import (
    between,
    check,
    draw,
    draw_format,
    draw_requant,
    draw_shapes,
    draw_zero_point,
    reach,
)

pytestmark = pytest.mark.usefixtures("isa")

CASES = 40
WORDS = (Int(16), Int(16, signed=False), Int(12))


def test_sums() -> None:
    rng = np.random.default_rng(0)
    for case in range(CASES):
        formats = [WORDS[between(rng, 0, 2)], draw_format(rng), draw_format(rng)]
        points = [draw_zero_point(rng, format) for format in formats[:2]]
        operands = [
            Operand(point, between(rng, 1 << 30, INT32_MAX), between(rng, -8, 0))
            for point in points
        ]
        most = max(reach(*pair) for pair in zip(formats[:2], points, strict=True))
        left_shift = 30 - most.bit_length()
        largest = sum(
            operand_reach(operand, left_shift, format, "x")
            for operand, format in zip(operands, formats[:2], strict=True)
        )
        shapes = draw_shapes(rng)
        channels = np.broadcast_shapes(*shapes)[-1]
        scaled = draw_requant(rng, formats[2], largest, channels)
        op = (QAdd if case % 2 else QSub)(*operands, left_shift, scaled)
        inputs = zip(formats[:2], shapes, strict=True)
        check(op, [(format, draw(rng, shape, format)) for format, shape in inputs], formats[2])


def test_products() -> None:
    rng = np.random.default_rng(1)
    for _ in range(CASES):
        formats = [WORDS[between(rng, 0, 2)], draw_format(rng), draw_format(rng)]
        points = [draw_zero_point(rng, format) for format in formats[:2]]
        largest = reach(formats[0], points[0]) * reach(formats[1], points[1])
        shapes = draw_shapes(rng)
        channels = np.broadcast_shapes(*shapes)[-1]
        op = QMul(*points, draw_requant(rng, formats[2], largest, channels))
        inputs = zip(formats[:2], shapes, strict=True)
        check(op, [(format, draw(rng, shape, format)) for format, shape in inputs], formats[2])


def test_tables_between_entries() -> None:
    rng = np.random.default_rng(2)
    for limit in (100, 40000, 1 << 23):
        for format in WORDS:
            table = rng.integers(-limit, limit + 1, 513).astype(np.int32)
            inputs = [(format, format.codes())]
            check(InterpolatedLookup(table, ops.Tanh()), inputs, draw_format(rng))


def test_conversions() -> None:
    rng = np.random.default_rng(3)
    for _ in range(CASES):
        source, target = draw_format(rng), draw_format(rng)
        x = draw(rng, (3, between(rng, 1, 70)), source)
        largest = reach(source, point := draw_zero_point(rng, source))
        scaled = draw_requant(rng, target, largest, x.shape[-1])
        check(Requantize(point, scaled), [(source, x)], target)
        params = QuantParams(source, np.float32(2.0 ** rng.uniform(-6, 0)), np.asarray(point))
        check(Dequantize(params), [(source, x)], FP32)
        steps = rng.integers(-300, 301, x.shape) + rng.choice([0, 0.5, 0.49999997], x.shape)
        real = (steps * params.scale).astype(np.float32)
        real[rng.random(x.shape) < 0.1] = rng.choice([np.nan, np.inf, -np.inf, -0.0])
        check(Quantize(params), [(FP32, real)], source)


def test_bilinear_resizing() -> None:
    rng = np.random.default_rng(4)
    for case in range(CASES):
        format = draw_format(rng)
        shape = (2, between(rng, 1, 9), between(rng, 1, 9), int(rng.choice([1, 3, 21, 64, 70])))
        op = QResizeBilinear2d((between(rng, 1, 20), between(rng, 1, 20)), case % 2 == 0)
        check(op, [(format, draw(rng, shape, format))], format)


@pytest.mark.parametrize("format", [Int(8), Int(8, signed=False)], ids=repr)
def test_bilinear_resizing_of_any_channels(format: Int) -> None:
    rng = np.random.default_rng(5)
    for channels in (*range(1, 34), 47, 64, 100):
        size = between(rng, 1, 25), between(rng, 1, 25)
        shape = (2, between(rng, 1, 9), between(rng, 1, 9), channels)
        inputs = [(format, draw(rng, shape, format))]
        check(QResizeBilinear2d(size, bool(rng.random() < 0.5)), inputs, format)
