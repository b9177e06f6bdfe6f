"""Native operations on single elements equal the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.ir import float_ops as ops
from intact.ir.attributes import operand_reach
from intact.ir.int_ops import InterpolatedLookup, Lookup, Operand, QAdd, QMul, QPrelu, QSub
from intact.numerics.fixedpoint import INT32_MAX
from intact.numerics.formats import Int
from tests.unit.exec.native.sweeping import (
    FORMATS,
    between,
    check,
    draw,
    draw_format,
    draw_requant,
    draw_shapes,
    draw_zero_point,
    reach,
)
from tests.unit.exec.oracle import seeds


def draw_operand(rng: np.random.Generator, zero_point: int) -> Operand:
    multiplier = int(rng.choice([0, 1 << 30, INT32_MAX, between(rng, 1 << 30, INT32_MAX)]))
    shift = between(rng, -31, 30) if rng.random() < 0.2 else between(rng, -8, -1)
    return Operand(zero_point, multiplier, shift)


@given(seeds, st.sampled_from([QAdd, QSub]), st.booleans())
def test_sums(seed: int, kind: type, constant: bool) -> None:
    rng = np.random.default_rng(seed)
    a_format, b_format, output = (draw_format(rng) for _ in range(3))
    a_shape, b_shape = draw_shapes(rng)
    a, b = draw(rng, a_shape, a_format), draw(rng, b_shape, b_format)
    points = draw_zero_point(rng, a_format), draw_zero_point(rng, b_format)
    most = max(reach(a_format, points[0]), reach(b_format, points[1]))
    left_shift = min(30, 31 - most.bit_length()) - between(rng, 0, 1)
    operands = [draw_operand(rng, point) for point in points]
    largest = sum(
        operand_reach(operand, left_shift, format, "x")
        for operand, format in zip(operands, (a_format, b_format), strict=True)
    )
    channels = np.broadcast_shapes(a_shape, b_shape)[-1]
    op = kind(*operands, left_shift, draw_requant(rng, output, largest, channels))
    check(op, [(a_format, a), (b_format, b)], output, [1] if constant else [])


@given(seeds)
def test_products(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a_format, b_format, output = (draw_format(rng) for _ in range(3))
    shapes = draw_shapes(rng)
    a, b = draw(rng, shapes[0], a_format), draw(rng, shapes[1], b_format)
    points = draw_zero_point(rng, a_format), draw_zero_point(rng, b_format)
    largest = reach(a_format, points[0]) * reach(b_format, points[1])
    channels = np.broadcast_shapes(*shapes)[-1]
    op = QMul(*points, draw_requant(rng, output, largest, channels))
    check(op, [(a_format, a), (b_format, b)], output)


def test_a_sum_of_one_value_with_itself() -> None:
    rng = np.random.default_rng(3)
    operand = Operand(3, 1 << 30, -1)
    op = QAdd(operand, operand, 20, draw_requant(rng, Int(8), 1 << 28))
    x = draw(rng, (5, 1, 7), Int(8))
    check(op, [(Int(8), x), (Int(8), x.transpose(1, 0, 2).copy())], Int(8))


@pytest.mark.parametrize("format", [f for f in FORMATS if f.bits <= 8], ids=repr)
@pytest.mark.parametrize("output", [Int(8), Int(8, signed=False), Int(16), Int(12)], ids=repr)
def test_lookups(format: Int, output: Int) -> None:
    rng = np.random.default_rng(format.bits)
    table = rng.integers(output.qmin, output.qmax + 1, 1 << format.bits)
    op = Lookup(table.astype(output.storage), ops.Silu())
    check(op, [(format, format.codes())], output)
    check(op, [(format, draw(rng, (70, 131), format))], output)


@given(seeds)
def test_interpolated_lookups(seed: int) -> None:
    rng = np.random.default_rng(seed)
    format, output = draw_format(rng, 9), draw_format(rng)
    limit = int(rng.choice([100, 40000, 1 << 23]))
    table = rng.integers(-limit, limit + 1, 513).astype(np.int32)
    if rng.random() < 0.2:
        table = rng.choice([-limit, limit], 513).astype(np.int32)
    check(InterpolatedLookup(table, ops.Tanh()), [(format, draw(rng, (3, 70), format))], output)


@pytest.mark.parametrize("format", [f for f in FORMATS if f.bits > 8], ids=repr)
def test_interpolated_lookup_of_every_code(format: Int) -> None:
    table = np.random.default_rng(1).integers(-33000, 33000, 513).astype(np.int32)
    check(InterpolatedLookup(table, ops.Tanh()), [(format, format.codes())], Int(16))


@given(seeds, st.booleans())
def test_prelu(seed: int, constant: bool) -> None:
    rng = np.random.default_rng(seed)
    format, slope_format, output = (draw_format(rng) for _ in range(3))
    channels = int(rng.choice([1, 3, 64, 70]))
    x = draw(rng, (between(rng, 1, 40), 3, channels), format)
    slope = draw(rng, (int(rng.choice([1, channels])),), slope_format)
    point, slope_point = draw_zero_point(rng, format), draw_zero_point(rng, slope_format)
    largest = reach(format, point)
    positive = draw_requant(rng, output, largest, channels)
    largest *= reach(slope_format, slope_point)
    negative = draw_requant(rng, output, largest, channels)
    op = QPrelu(point, slope_point, positive, negative)
    check(op, [(format, x), (slope_format, slope)], output, [1] if constant else [])
