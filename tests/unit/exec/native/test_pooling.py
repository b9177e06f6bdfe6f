"""Native pooling, means and resizing equal the reference."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir.int_ops import (
    QAdaptiveAvgPool2d,
    QAvgPool2d,
    QMaxPool2d,
    QMean,
    QResizeBilinear2d,
    QResizeNearest2d,
)
from intact.ir.shapes import output_shape
from intact.numerics.formats import FP32, Int
from tests.unit.exec.native.sweeping import (
    Shape,
    between,
    check,
    draw,
    draw_format,
    draw_requant,
    draw_zero_point,
    reach,
)
from tests.unit.exec.oracle import seeds

channels = st.sampled_from([1, 3, 16, 64, 67])
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
pads = st.tuples(st.integers(0, 3), st.integers(0, 3))
sizes = st.tuples(st.integers(1, 13), st.integers(1, 13))


def assume_windows(op: QMaxPool2d | QAvgPool2d, shape: Shape) -> None:
    """Whether there is a window, and each meets a pixel."""
    try:
        output_shape(op, [shape])
    except ValueError:
        assume(False)


@given(seeds, sizes, channels, pairs, pairs, pads, pads, pairs)
def test_max_pool(
    seed: int,
    size: tuple[int, int],
    depth: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    rows: tuple[int, int],
    columns: tuple[int, int],
    dilation: tuple[int, int],
) -> None:
    rng = np.random.default_rng(seed)
    op, shape = QMaxPool2d(kernel, stride, (rows, columns), dilation), (2, *size, depth)
    assume_windows(op, shape)
    format = draw_format(rng)
    check(op, [(format, draw(rng, shape, format))], format)


@given(seeds, sizes, channels, pairs, pairs, pads, pads, pairs, st.booleans())
def test_avg_pool(
    seed: int,
    size: tuple[int, int],
    depth: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    rows: tuple[int, int],
    columns: tuple[int, int],
    overhang: tuple[int, int],
    count_include_pad: bool,
) -> None:
    rng = np.random.default_rng(seed)
    format = draw_format(rng)
    zero_point = draw_zero_point(rng, format)
    beyond = (overhang[0] - 1, overhang[1] - 1)
    op = QAvgPool2d(kernel, stride, (rows, columns), count_include_pad, beyond, zero_point)
    shape = (2, *size, depth)
    assume_windows(op, shape)
    check(op, [(format, draw(rng, shape, format))], format)


@given(seeds, sizes, channels, sizes)
def test_adaptive_avg_pool(
    seed: int, size: tuple[int, int], depth: int, out: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    format = draw_format(rng)
    x = draw(rng, (2, *size, depth), format)
    check(QAdaptiveAvgPool2d(out), [(format, x)], format)


@pytest.mark.parametrize("format", [Int(8), Int(16, signed=False)], ids=repr)
def test_means_of_more_codes_than_32_bits_sum(format: Int) -> None:
    x = np.full((1, 300, 300, 2), format.qmax, format.storage)
    x[0, :, :, 1] = format.qmin
    check(QAdaptiveAvgPool2d((1, 1)), [(format, x)], format)
    rng = np.random.default_rng(0)
    requant = draw_requant(rng, Int(8), 90000 * (1 << 16), 2)
    check(QMean((1, 2), True, 0, requant), [(format, x)], Int(8))


@given(seeds, st.integers(1, 5), st.booleans())
def test_means(seed: int, rank: int, keepdims: bool) -> None:
    rng = np.random.default_rng(seed)
    format, output = draw_format(rng), draw_format(rng)
    shape = (*(between(rng, 1, 6) for _ in range(rank - 1)), int(rng.choice([1, 3, 64, 130])))
    axes = tuple(int(axis) for axis in rng.permutation(rank)[: between(rng, 1, rank)])
    zero_point = draw_zero_point(rng, format)
    largest = reach(format, zero_point) * math.prod(shape[axis] for axis in axes)
    kept = [1 if i in axes else n for i, n in enumerate(shape) if keepdims or i not in axes]
    requant = draw_requant(rng, output, largest, kept[-1] if kept else 1)
    op = QMean(axes, keepdims, zero_point, requant)
    check(op, [(format, draw(rng, shape, format))], output)


@given(seeds, sizes, channels, sizes, st.booleans())
def test_resizing(
    seed: int, size: tuple[int, int], depth: int, out: tuple[int, int], align_corners: bool
) -> None:
    rng = np.random.default_rng(seed)
    format = draw_format(rng)
    x = draw(rng, (2, *size, depth), format)
    check(QResizeNearest2d(out), [(format, x)], format)
    check(QResizeBilinear2d(out, align_corners), [(format, x)], format)


@pytest.mark.parametrize("size", [(7,), (5, 11)], ids=str)
def test_nearest_resizing_of_any_elements(size: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    shape = (2, 3, *(3, 4)[: len(size)])
    check(ops.ResizeNearest(size), [(FP32, rng.normal(size=shape).astype(np.float32))], FP32)
    check(ops.ResizeNearest(size), [(Int(16), draw(rng, shape, Int(16)))], Int(16))


def test_nearest_resizing_of_volumes_is_refused() -> None:
    x = np.zeros((1, 1, 2, 2, 2), np.float32)
    with pytest.raises(UnsupportedOpError, match='ResizeNearest of 3 axes at "y"'):
        check(ops.ResizeNearest((4, 4, 4)), [(FP32, x)], FP32)
