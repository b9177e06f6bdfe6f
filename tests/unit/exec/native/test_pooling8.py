"""Pools and means of 8-bit codes equal the reference, at every level of instructions."""

from itertools import product

import numpy as np
import pytest

from intact.ir.int_ops import QAdaptiveAvgPool2d, QAvgPool2d, QMaxPool2d, QMean
from intact.numerics.formats import Int
from tests.unit.exec.native.sweeping import (
    between,
    check,
    draw,
    draw_requant,
    draw_zero_point,
)

pytestmark = pytest.mark.usefixtures("isa")

CHANNELS = (1, 3, 8, 15, 16, 17, 24, 31, 32, 33, 47, 63, 64, 65, 96, 100, 129, 300)
BYTES = (Int(8), Int(8, signed=False))


def draw_window(rng: np.random.Generator) -> tuple:
    """Kernel, stride and padding less than the kernel."""
    kernel = tuple(between(rng, 1, 3) for _ in range(2))
    padding = tuple((between(rng, 0, k - 1), between(rng, 0, k - 1)) for k in kernel)
    return kernel, (between(rng, 1, 2), between(rng, 1, 2)), padding


@pytest.mark.parametrize("channels", CHANNELS)
def test_pools(channels: int) -> None:
    rng = np.random.default_rng(channels)
    for format in (*BYTES, Int(4), Int(5, signed=False)):
        kernel, stride, padding = draw_window(rng)
        shape = (2, between(rng, 3, 9), between(rng, 3, 9), channels)
        inputs = [(format, draw(rng, shape, format))]
        check(QMaxPool2d(kernel, stride, padding, (1, 1)), inputs, format)
        for padded in (False, True):
            op = QAvgPool2d(kernel, stride, padding, padded, (0, 0), draw_zero_point(rng, format))
            check(op, inputs, format)
        size = between(rng, 1, shape[1]), between(rng, 1, shape[2])
        check(QAdaptiveAvgPool2d(size), inputs, format)


def test_dilated_maxima() -> None:
    rng = np.random.default_rng(1)
    for format, channels in product(BYTES, (5, 16, 40)):
        inputs = [(format, draw(rng, (2, 9, 9, channels), format))]
        check(QMaxPool2d((3, 2), (1, 2), ((1, 1), (0, 0)), (2, 3)), inputs, format)


@pytest.mark.parametrize("channels", CHANNELS)
def test_means(channels: int) -> None:
    rng = np.random.default_rng(channels)
    for source, output in product(BYTES, (*BYTES, Int(4))):
        shape = (between(rng, 1, 3), between(rng, 1, 20), between(rng, 1, 40), channels)
        axes = [(1, 2), (1,), (2,), (0, 1)][between(rng, 0, 3)]
        if 0 in axes:
            shape = (1, *shape[1:])
        largest = 255 * int(np.prod([shape[axis] for axis in axes]))
        scaled = draw_requant(rng, output, largest)
        op = QMean(axes, bool(rng.random() < 0.5), draw_zero_point(rng, source), scaled)
        check(op, [(source, draw(rng, shape, source))], output)


def test_the_largest_sums_are_exact() -> None:
    rng = np.random.default_rng(2)
    for format, channels in product(BYTES, (3, 16, 70)):
        for code in (format.qmin, format.qmax):
            x = np.full((1, 130, 129, channels), code, format.storage)
            check(QAdaptiveAvgPool2d((1, 1)), [(format, x)], format)
            scaled = draw_requant(rng, format, 255 * 130 * 129)
            check(QMean((1, 2), True, draw_zero_point(rng, format), scaled), [(format, x)], format)
