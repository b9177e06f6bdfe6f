"""Native operations that move elements equal the reference."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.exec import native, reference
from intact.ir import float_ops as ops
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp
from intact.numerics.formats import FP32, Format, Int
from tests.unit.exec.native.sweeping import between, check
from tests.unit.exec.oracle import seeds

FORMATS = (Int(8), Int(8, signed=False), Int(16), FP32, Int(32), Int(64), Int(1, signed=False))
formats = st.sampled_from(FORMATS)
ranks = st.integers(1, 6)


def drawn(rng: np.random.Generator, shape: tuple[int, ...], format: Format) -> np.ndarray:
    return rng.integers(0, 2 if format.bits == 1 else 100, shape).astype(format.storage)


def draw_shape(rng: np.random.Generator, rank: int) -> tuple[int, ...]:
    shape = [int(rng.choice([1, 2, 3, 5])) for _ in range(rank)]
    shape[between(rng, 0, rank - 1)] = int(rng.choice([1, 9, 65, 700]))
    return tuple(shape)


@given(seeds, formats, ranks)
def test_permute(seed: int, format: Format, rank: int) -> None:
    rng = np.random.default_rng(seed)
    axes = tuple(int(axis) for axis in rng.permutation(rank))
    check(ops.Permute(axes), [(format, drawn(rng, draw_shape(rng, rank), format))], format)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("format", [Int(8), Int(8, signed=False), Int(16), Int(32)], ids=repr)
def test_transposed_matrices(format: Int) -> None:
    rng = np.random.default_rng(0)
    sizes = (1, 2, 3, 4, 12, 15, 16, 17, 31, 32, 33, 50, 300)
    for rows, columns in product(sizes, sizes):
        x = rng.integers(format.qmin, format.qmax + 1, (2, rows, columns))
        check(ops.Permute((0, 2, 1)), [(format, x.astype(format.storage))], format)
    for axes in [(0, 2, 3, 1), (0, 3, 1, 2), (0, 2, 1, 3), (0, 3, 2, 1)]:
        x = rng.integers(format.qmin, format.qmax + 1, (3, 20, 7, 37))
        check(ops.Permute(axes), [(format, x.astype(format.storage))], format)


@given(seeds, formats, ranks)
def test_slice(seed: int, format: Format, rank: int) -> None:
    rng = np.random.default_rng(seed)
    shape, axis = draw_shape(rng, rank), between(rng, 0, rank - 1)
    start = between(rng, 0, shape[axis] - 1)
    op = ops.Slice(axis, start, between(rng, start + 1, shape[axis]), between(rng, 1, 4))
    check(op, [(format, drawn(rng, shape, format))], format)


@given(seeds, formats, ranks)
def test_expand(seed: int, format: Format, rank: int) -> None:
    rng = np.random.default_rng(seed)
    shape = draw_shape(rng, rank)
    wider = tuple(between(rng, 1, 5) if n == 1 else n for n in shape)
    check(ops.Expand(wider), [(format, drawn(rng, shape, format))], format)


@given(seeds, formats, st.integers(1, 5), st.sampled_from(ops.PadMode))
def test_pad(seed: int, format: Format, rank: int, mode: ops.PadMode) -> None:
    rng = np.random.default_rng(seed)
    shape = draw_shape(rng, rank)
    reach = {ops.PadMode.REFLECT: -1, ops.PadMode.CIRCULAR: 0}.get(mode)
    most = [4 if reach is None else min(n + reach, 9) for n in shape]
    pads = tuple(
        (between(rng, 0, n), between(rng, 0, n)) if rng.random() < 0.6 else (0, 0) for n in most
    )
    value = -0.5 if format == FP32 else 1.0
    check(ops.Pad(pads, mode, value), [(format, drawn(rng, shape, format))], format)


def test_concat_of_many_rows() -> None:
    rng = np.random.default_rng(1)
    for format in (Int(8), Int(16), FP32):
        for sizes in [(8, 8), (16, 32, 64), (1, 4, 5), (58, 58), (64, 2)]:
            inputs = [(format, drawn(rng, (1, 15, 13, size), format)) for size in sizes]
            check(ops.Concat(3), inputs, format)


@given(seeds, formats, st.integers(1, 4), st.integers(1, 5))
def test_concat(seed: int, format: Format, rank: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    shape, axis = list(draw_shape(rng, rank)), between(rng, 0, rank - 1)
    inputs = []
    for _ in range(count):
        shape[axis] = between(rng, 1, 9)
        inputs.append((format, drawn(rng, tuple(shape), format)))
    check(ops.Concat(axis), inputs, format, [0] if count > 1 else [])


def test_concat_of_one_value_twice() -> None:
    x, y = Value("x", (-1, 3), FP32), Value("y", (-1, 6), FP32)
    node: Node[IntOp] = Node(ops.Concat(1), (x, x), y)
    program = Graph((x,), (y,), (node,), {})
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    expected = np.concatenate([array, array], 1)
    np.testing.assert_array_equal(native.load(program)({"x": array})["y"], expected)


@pytest.mark.parametrize(
    ("op", "shape"),
    [
        (ops.Permute((0, 2, 1)), (-1, 4, 3)),
        (ops.Slice(1, 1, 3, 1), (-1, 2, 4)),
        (ops.Pad(((0, 0), (1, 0), (0, 2))), (-1, 4, 6)),
        (ops.Concat(0), (-1, 3, 4)),
        (ops.ResizeNearest((9,)), (-1, 3, 9)),
    ],
    ids=lambda case: type(case).__name__,
)
def test_a_batch_of_none(op: IntOp, shape: tuple[int, ...]) -> None:
    x, y = Value("x", (-1, 3, 4), FP32), Value("y", shape, FP32)
    program = Graph((x,), (y,), (Node(op, (x,), y),), {})
    empty = {"x": np.zeros((0, 3, 4), np.float32)}
    expected = reference.load(program)(empty)["y"]
    assert native.load(program, 2)(empty)["y"].shape == expected.shape
