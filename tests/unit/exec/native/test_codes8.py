"""Vector kernels for 8-bit codes: the reference's integers on every instruction set and thread."""

import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import pytest

from intact.exec import native, reference
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp, QConv2d, QLinear, QMatMul
from intact.ir.shapes import output_shape
from intact.numerics.arrays import Array
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Int
from tests.unit.exec.native.sweeping import between, draw, draw_zero_point

CASES = 160

Layer: TypeAlias = tuple[Node[IntOp], dict[str, Array], dict[str, Array]]
"""A node, its inputs and its constants."""


def draw_requant(rng: np.random.Generator, output: Int, channels: int) -> Requant:
    """Mostly of trained networks; also multipliers at the ends, left shifts and none at all."""
    count = int(rng.choice([1, channels]))
    multiplier = rng.integers(1 << 30, 1 << 31, count)
    multiplier[rng.random(count) < 0.1] = 1 << 30
    low, high = [(-14, -4), (-31, 4), (-1, 1)][between(rng, 0, 2)]
    return Requant(
        multiplier,
        rng.integers(low, high, count),
        draw_zero_point(rng, output),
        np.array([output.qmin]),
        np.array([between(rng, output.qmin + 1, output.qmax)]),
    )


def draw_formats(rng: np.random.Generator, count: int) -> list[Int]:
    return [Int(8, signed=bool(rng.random() < 0.7)) for _ in range(count)]


def alone(node: Node[IntOp], arrays: dict[str, Array], constants: dict[str, Array]) -> Graph[IntOp]:
    inputs = tuple(value for value in node.inputs if value.name in arrays)
    return Graph[IntOp](inputs, (node.output,), (node,), constants)


def check(node: Node[IntOp], arrays: dict[str, Array], constants: dict[str, Array]) -> None:
    program = alone(node, arrays, constants)
    expected = reference.load(program)(arrays)["y"]
    for threads in (1, 2, 3):
        made = native.load(program, threads)(arrays)["y"]
        np.testing.assert_array_equal(made, expected, err_msg=f"{node.op} {threads} threads")


def finish(op: IntOp, values: list[Value], output: Int, batch_first: bool) -> Node[IntOp]:
    shape = output_shape(op, [value.shape for value in values])
    assert not batch_first or shape[0] == -1
    return Node(op, tuple(values), Value("y", shape, output))


def draw_convolution(rng: np.random.Generator) -> Layer:
    source, output = draw_formats(rng, 2)
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    depth = int(rng.choice([1, 2, 3, 4, 5, 8, 16, 17, 32, 64]))
    columns = int(rng.choice([1, 3, 8, 15, 16, 17, 24, 40, 64, 65, 96]))
    if rng.random() < 0.15:
        groups, depth, columns = int(rng.choice([8, 16, 33])), 1, 1
    kernel = [int(n) for n in rng.choice([1, 2, 3, 3, 5], 2)]
    stride, dilation = ((between(rng, 1, 2), between(rng, 1, 2)) for _ in range(2))
    padding = tuple((between(rng, 0, 2), between(rng, 0, 2)) for _ in range(2))
    if rng.random() < 0.3:  # what Winograd takes
        kernel, stride, dilation = [3, 3], (1, 1), (1, 1)
    space = [d * (k - 1) + 1 + between(rng, 0, 9) for k, d in zip(kernel, dilation, strict=True)]
    channels = groups * columns
    op = QConv2d(
        stride, padding, dilation, groups, draw_zero_point(rng, source), None,
        draw_requant(rng, output, channels),
    )  # fmt: skip
    weight = draw(rng, (channels, *kernel, depth), Int(8))
    bias = rng.integers(-5000, 5000, channels).astype(np.int32)
    x = Value("x", (-1, *space, groups * depth), source)
    values = [x, Value("w", weight.shape, Int(8)), Value("b", bias.shape, Int(32))]
    data = draw(rng, (between(rng, 1, 3), *x.shape[1:]), source)
    return finish(op, values, output, True), {"x": data}, {"w": weight, "b": bias}


def draw_linear(rng: np.random.Generator) -> Layer:
    source, output = draw_formats(rng, 2)
    depth = int(rng.choice([1, 2, 3, 4, 5, 7, 8, 27, 64, 65, 128]))
    columns = int(rng.choice([1, 5, 8, 9, 16, 17, 31, 64, 65, 100, 130]))
    op = QLinear(draw_zero_point(rng, source), None, draw_requant(rng, output, columns))
    weight = draw(rng, (columns, depth), Int(8))
    bias = rng.integers(-5000, 5000, columns).astype(np.int32)
    x = Value("x", (-1, depth), source)
    values = [x, Value("w", weight.shape, Int(8)), Value("b", bias.shape, Int(32))]
    data = draw(rng, (int(rng.choice([1, 2, 5, 12, 13, 50])), depth), source)
    return finish(op, values, output, True), {"x": data}, {"w": weight, "b": bias}


def draw_product(rng: np.random.Generator) -> Layer:
    leads = [((2, 3), (2, 3)), ((2, 3), (1, 3)), ((2, 3), ()), ((), ()), ((1, 3), (2, 1))]
    a_format, b_format, output = draw_formats(rng, 3)
    rows = int(rng.choice([1, 2, 5, 12, 13, 50, 100]))
    depth = int(rng.choice([1, 2, 3, 4, 5, 7, 16, 64, 65]))
    columns = int(rng.choice([1, 5, 8, 16, 17, 64, 65, 100]))
    a_lead, b_lead = leads[between(rng, 0, len(leads) - 1)]
    op = QMatMul(
        draw_zero_point(rng, a_format),
        draw_zero_point(rng, b_format),
        draw_requant(rng, output, 1),
    )
    a = Value("a", (*a_lead, rows, depth), a_format)
    b = Value("b", (*b_lead, depth, columns), b_format)
    arrays = {"a": draw(rng, a.shape, a_format), "b": draw(rng, b.shape, b_format)}
    return finish(op, [a, b], output, False), arrays, {}


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("seed", range(4))
def test_convolutions_equal_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(CASES // 4):
        check(*draw_convolution(rng))


@pytest.mark.usefixtures("isa")
def test_linear_layers_equal_the_reference() -> None:
    rng = np.random.default_rng(0)
    for _ in range(CASES // 2):
        check(*draw_linear(rng))


@pytest.mark.usefixtures("isa")
def test_matrix_products_equal_the_reference() -> None:
    rng = np.random.default_rng(1)
    for _ in range(CASES // 2):
        check(*draw_product(rng))


def extreme_layers() -> Iterator[Layer]:
    """Long sums of the largest products of both signs."""
    depth, columns = 4608, 17
    for code, factor in ((-128, -128), (127, -128), (-128, 127)):
        weight = np.full((columns, depth), factor, np.int8)
        largest = depth * 255 * 128
        shift = -max(0, math.ceil(math.log2(largest / 128)) - 1)
        requant = Requant(
            np.array([1 << 30]), np.array([shift]), 0, np.array([-128]), np.array([127])
        )
        x = Value("x", (-1, depth), Int(8))
        bias = np.zeros(columns, np.int32)
        values = [x, Value("w", weight.shape, Int(8)), Value("b", bias.shape, Int(32))]
        node = finish(QLinear(127, None, requant), values, Int(8), True)
        yield node, {"x": np.full((7, depth), code, np.int8)}, {"w": weight, "b": bias}


@pytest.mark.usefixtures("isa")
def test_the_most_extreme_products_do_not_saturate() -> None:
    for layer in extreme_layers():
        check(*layer)


def test_more_products_than_a_round_of_tasks_are_shared() -> None:
    """Threads claim at most 2**18 - 1 tasks at once."""
    rng = np.random.default_rng(3)
    output = Int(8)
    requant = Requant(np.array([1 << 30]), np.array([-6]), 3, np.array([-128]), np.array([127]))
    a = Value("a", (300_000, 1, 2), Int(8))
    b = Value("b", (300_000, 2, 1), Int(8))
    arrays = {"a": draw(rng, a.shape, Int(8)), "b": draw(rng, b.shape, Int(8))}
    check(finish(QMatMul(-5, 7, requant), [a, b], output, False), arrays, {})
