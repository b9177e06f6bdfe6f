"""Integer pooling, means and resizing equal naive loops; TFLite's rounding."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from intact.ir.int_ops import (
    QAdaptiveAvgPool2d,
    QAvgPool2d,
    QMaxPool2d,
    QMean,
    QResizeBilinear2d,
    QResizeNearest2d,
)
from intact.numerics.formats import Int
from tests.unit.exec.oracle import draw_codes, node, requant, requantized, run_node, seeds

FORMATS = [Int(8), Int(8, signed=False), Int(16), Int(4)]
formats = st.sampled_from(FORMATS)


def half_away(total: int, count: int) -> int:
    magnitude = (2 * abs(total) + count) // (2 * count)
    return magnitude if total >= 0 else -magnitude


def pairs(rng: np.random.Generator, low: int, high: int) -> tuple[int, int]:
    return int(rng.integers(low, high)), int(rng.integers(low, high))


@given(seeds, formats)
def test_max_pool_takes_the_largest_code(seed: int, format: Int) -> None:
    rng = np.random.default_rng(seed)
    kernel, stride, dilation = pairs(rng, 1, 4), pairs(rng, 1, 3), pairs(rng, 1, 3)
    x = draw_codes(rng, (2, 7, 6, 2), format)
    padding = tuple((min(p, k // 2), min(q, k // 2)) for (p, q), k in
                    zip((pairs(rng, 0, 2), pairs(rng, 0, 2)), kernel, strict=True))  # fmt: skip
    op = QMaxPool2d(kernel, stride, padding, dilation)
    out = run_node(node(op, [(format, (-1, 7, 6, 2))], format), [x])
    for n, p, q, c in np.ndindex(out.shape):
        window = [
            int(x[n, row, column, c])
            for i, j in product(range(kernel[0]), range(kernel[1]))
            if 0 <= (row := p * stride[0] - padding[0][0] + i * dilation[0]) < 7
            and 0 <= (column := q * stride[1] - padding[1][0] + j * dilation[1]) < 6
        ]
        assert out[n, p, q, c] == max(window)


@given(seeds, formats, st.booleans())
def test_avg_pool_equals_naive_loops(seed: int, format: Int, include: bool) -> None:
    rng = np.random.default_rng(seed)
    kernel, stride, size = pairs(rng, 1, 4), pairs(rng, 1, 4), (7, 6)
    padding = tuple((int(rng.integers(0, k // 2 + 1)),) * 2 for k in kernel)
    # What ceil_mode adds: a last window that starts inside.
    overhang = tuple(
        (-(n + 2 * p[0] - k)) % s if (n + 2 * p[0] - k + s - 1) // s * s < n + p[0] else 0
        for n, p, k, s in zip(size, padding, kernel, stride, strict=True)
    )
    zero_point = int(rng.integers(format.qmin, format.qmax + 1))
    x = draw_codes(rng, (2, *size, 2), format)
    op = QAvgPool2d(kernel, stride, padding, include, overhang, zero_point)
    out = run_node(node(op, [(format, (-1, *size, 2))], format), [x])
    for n, p, q, c in np.ndindex(out.shape):
        total = count = 0
        for i, j in product(range(kernel[0]), range(kernel[1])):
            row, column = p * stride[0] - padding[0][0] + i, q * stride[1] - padding[1][0] + j
            inside = 0 <= row < size[0] and 0 <= column < size[1]
            padded = row < size[0] + padding[0][1] and column < size[1] + padding[1][1]
            if inside:
                total += int(x[n, row, column, c])
            elif include and padded:
                total += zero_point
            count += inside or (include and padded)
        assert out[n, p, q, c] == half_away(total, count)


def test_avg_pool_rounds_half_away_from_zero() -> None:
    op = QAvgPool2d((1, 2), (1, 2), ((0, 0), (0, 0)), False, (0, 0), 0)
    x = np.int8([[[1], [2], [-1], [-2], [127], [126], [-128], [-127], [0], [-1]]])[None]
    out = run_node(node(op, [(Int(8), (-1, 1, 10, 1))], Int(8)), [x])
    assert out.ravel().tolist() == [2, -2, 127, -128, -1]


@given(seeds, formats, st.sampled_from([(1, 1), (3, 2), (7, 5), (9, 8)]))
def test_adaptive_avg_pool_equals_naive_loops(
    seed: int, format: Int, size: tuple[int, int]
) -> None:
    x = draw_codes(np.random.default_rng(seed), (2, 7, 5, 2), format)
    out = run_node(node(QAdaptiveAvgPool2d(size), [(format, (-1, 7, 5, 2))], format), [x])
    real = functional.adaptive_avg_pool2d(torch.tensor(x.astype(float)).movedim(3, 1), size)
    for n, i, j, c in np.ndindex(out.shape):
        window = x[
            n,
            i * 7 // size[0] : -(-(i + 1) * 7 // size[0]),
            j * 5 // size[1] : -(-(j + 1) * 5 // size[1]),
            c,
        ].astype(int)
        assert out[n, i, j, c] == half_away(int(window.sum()), window.size)
        assert abs(out[n, i, j, c] - float(real[n, c, i, j])) <= 0.5 + 1e-6


@given(seeds, st.sampled_from([((1, 2), False), ((1, 2), True), ((3,), True), ((1,), False)]))
def test_mean_requantizes_the_sum(seed: int, axes: tuple[tuple[int, ...], bool]) -> None:
    rng = np.random.default_rng(seed)
    x = draw_codes(rng, (2, 3, 4, 5))
    op = QMean(*axes, int(rng.integers(-128, 128)), requant(rng.uniform(0.01, 0.2), Int(8), 9))
    out = run_node(node(op, [(Int(8), (-1, 3, 4, 5))], Int(8)), [x])
    total = (x.astype(np.int64) - op.input_zero_point).sum(axis=axes[0], keepdims=axes[1])
    assert out.shape == total.shape
    for index in np.ndindex(total.shape):
        assert out[index] == requantized(op.requant, int(total[index]), 0)


@pytest.mark.parametrize("size", [(14, 10), (3, 9), (7, 5), (1, 1)])
def test_resize_nearest_equals_torch(size: tuple[int, int]) -> None:
    x = draw_codes(np.random.default_rng(3), (2, 7, 5, 3))
    out = run_node(node(QResizeNearest2d(size), [(Int(8), (-1, 7, 5, 3))], Int(8)), [x])
    real = functional.interpolate(torch.tensor(x.astype(np.float32)).movedim(3, 1), size)
    np.testing.assert_array_equal(out, real.movedim(1, 3).numpy())


def tflite_axis(value: int, scale: int, half_pixel: bool, size: int) -> tuple[int, int, int]:
    """ComputeInterpolationValues: C's division truncates."""
    scaled = value * scale + (scale // 2 - 512 if half_pixel else 0)
    lower = max(int(scaled / 1024), 0)
    upper = min(int((scaled + 1023) / 1024), size - 1)
    return scaled, lower, upper


def tflite_scale(size: int, out: int, align: bool) -> int:
    if align and out > 1:
        return (1024 * (size - 1) + (out - 1) // 2) // (out - 1)
    return (1024 * size + out // 2) // out


@given(seeds, st.tuples(st.integers(1, 15), st.integers(1, 15)), st.booleans(), formats)
def test_resize_bilinear_equals_tflite(
    seed: int, size: tuple[int, int], align: bool, format: Int
) -> None:
    x = draw_codes(np.random.default_rng(seed), (1, 4, 6, 2), format)
    op = QResizeBilinear2d(size, align)
    out = run_node(node(op, [(format, (-1, 4, 6, 2))], format), [x])
    scales = [tflite_scale(n, m, align) for n, m in zip((4, 6), size, strict=True)]
    for i, j, c in product(range(size[0]), range(size[1]), range(2)):
        y, y0, y1 = tflite_axis(i, scales[0], not align, 4)
        z, z0, z1 = tflite_axis(j, scales[1], not align, 6)
        total = 0
        for row, weight in ((y0, 1024 - (y - 1024 * y0)), (y1, y - 1024 * y0)):
            for column, other in ((z0, 1024 - (z - 1024 * z0)), (z1, z - 1024 * z0)):
                total += int(x[0, row, column, c]) * weight * other
        expected = int((total + (1 << 19 if total > 0 else -(1 << 19))) / (1 << 20))
        assert out[0, i, j, c] == expected


@pytest.mark.parametrize("align", [False, True])
def test_resize_bilinear_is_near_torch(align: bool) -> None:
    x = draw_codes(np.random.default_rng(4), (2, 7, 5, 3))
    out = run_node(node(QResizeBilinear2d((14, 20), align), [(Int(8), (-1, 7, 5, 3))], Int(8)), [x])
    image = torch.tensor(x.astype(np.float32)).movedim(3, 1)
    real = functional.interpolate(image, (14, 20), mode="bilinear", align_corners=align)
    # 10-bit positions: up to 20 * 2**-11 pixels off, at up to 255 codes a pixel and axis.
    assert np.abs(out - real.movedim(1, 3).numpy()).max() <= 0.5 + 2 * 255 * 20 / 2048
