"""Vector kernels for softmax and normalization: the reference's integers on every level."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from intact.exec.native.building import requant
from intact.exec.native.library import native
from intact.ir.int_ops import Normalization, QGroupNorm, QLayerNorm, QSoftmax
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN, Requant
from intact.numerics.formats import Int
from tests.unit.exec.native.sweeping import between, check, draw, draw_format, draw_zero_point

CASES = 60
LENGTHS = (1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 200, 768)


def draw_normalization(rng: np.random.Generator, output: Int, channels: int) -> Normalization:
    """As the vector kernels take them; mostly such that the codes spread over the output's."""
    gains = int(rng.choice([1, channels]))
    multiplier = rng.integers(1 << 30, 1 << 31, gains)
    multiplier = np.where(rng.random(gains) < 0.1, rng.choice([1 << 30, INT32_MAX]), multiplier)
    shift = rng.integers(-10, -3, gains)
    if rng.random() < 0.2:
        shift = rng.integers(-31, 0, gains)
    multiplier = np.where(rng.random(gains) < 0.1, 0, multiplier)
    gain = Requant(
        multiplier,
        np.where(multiplier == 0, 0, shift),
        0,
        np.array([INT32_MIN]),
        np.array([INT32_MAX]),
    )
    largest = int(rng.choice([1, 5000, (1 << 30) - 1]))
    return Normalization(
        epsilon=between(rng, 1, 1 << int(rng.choice([1, 30, 42, 47, 61]))),
        gain_sign=rng.integers(-1, 2, channels),
        gain=gain,
        beta=rng.integers(-largest, largest + 1, channels),
        zero_point=draw_zero_point(rng, output),
        qmin=output.qmin,
        qmax=output.qmax if rng.random() < 0.7 else between(rng, output.qmin, output.qmax),
    )


@pytest.mark.usefixtures("isa")
def test_softmax() -> None:
    for seed in range(2 * CASES):
        rng = np.random.default_rng(seed)
        format, output = draw_format(rng, 1, 8), draw_format(rng, 1, 8)
        length = int(rng.choice([*LENGTHS, 23, 24, 96, 128, 1000, 8191]))
        x = draw(rng, (between(rng, 1, 19), length), format)
        shift = between(rng, 15, 30) if rng.random() < 0.8 else between(rng, -31, 30)
        diff_min = -math.floor(31 * 2**26 / 2.0 ** max(shift, 0))
        if rng.random() < 0.2:
            diff_min = between(rng, -255, 0)
        op = QSoftmax(between(rng, 1 << 30, INT32_MAX), shift, max(diff_min, INT32_MIN))
        check(op, [(format, x)], output)


@pytest.mark.usefixtures("isa")
def test_softmax_of_every_difference() -> None:
    """Rows that hold a highest code and all below it, and rows of one code."""
    for format, shift in product((Int(8), Int(8, signed=False)), range(10, 27)):
        lowest = format.qmin
        x = np.tile(np.arange(lowest, lowest + 256), (6, 1)).astype(format.storage)
        x[1:4] = np.minimum(x[1:4], np.array([[lowest], [lowest + 100], [lowest + 200]]))
        x[4:, :200] = lowest
        diff_min = -math.floor(31 * 2**26 / 2.0**shift)
        op = QSoftmax(1 << 30, shift, max(diff_min, INT32_MIN))
        check(op, [(format, x)], format)


@pytest.mark.usefixtures("isa")
def test_layer_norm() -> None:
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        format, output = draw_format(rng, 1, 8), draw_format(rng, 1, 8)
        shape = (between(rng, 1, 11), int(rng.choice([1, 3])), int(rng.choice(LENGTHS)))
        axes = between(rng, 1, 2)
        op = QLayerNorm(axes, draw_normalization(rng, output, math.prod(shape[-axes:])))
        check(op, [(format, draw(rng, shape, format))], output)


@pytest.mark.usefixtures("isa")
def test_group_norm() -> None:
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        format, output = draw_format(rng, 1, 8), draw_format(rng, 1, 8)
        groups = between(rng, 1, 4)
        channels = groups * int(rng.choice(LENGTHS[:-2]))
        shape = (between(rng, 1, 3), between(rng, 1, 7), between(rng, 1, 7), channels)
        op = QGroupNorm(groups, draw_normalization(rng, output, channels))
        check(op, [(format, draw(rng, shape, format))], output)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("count", [8191, 8192])
def test_the_longest_rows_of_vectors_and_longer_ones(count: int) -> None:
    rng = np.random.default_rng(count)
    for format in (Int(8), Int(8, signed=False)):
        op = QLayerNorm(1, replace(draw_normalization(rng, Int(8), count), epsilon=1))
        x = np.full((4, count), format.qmin, format.storage)
        x[0, 0] = format.qmax
        x[1, ::2] = format.qmax
        x[3] = draw(rng, (count,), format)
        check(op, [(format, x)], Int(8))


@pytest.mark.usefixtures("isa")
def test_roots_at_the_ends_of_their_range() -> None:
    """Of m = 4^30, whose reciprocal has 32 bits, and the numbers beside it and below 4^31."""
    rng = np.random.default_rng(4)
    x = np.zeros((1, 40), np.int8)
    for epsilon in {4**k + d for k in range(1, 30) for d in (-1, 0, 1)}:
        op = QLayerNorm(1, replace(draw_normalization(rng, Int(8), 40), epsilon=epsilon))
        check(op, [(Int(8), x)], Int(8))
        x[0, :2] = 1, -1  # n * sum q^2 = 80
        op = replace(op, normalization=replace(op.normalization, epsilon=max(1, epsilon - 80)))
        check(op, [(Int(8), x)], Int(8))


def test_kernels_are_chosen(isa: native.Isa) -> None:
    """For bytes and usual gains."""
    ends = np.array([INT32_MIN]), np.array([INT32_MAX])
    gain = Requant(np.array([1 << 30]), np.array([-7]), 0, *ends)
    sign, beta = np.ones(16, np.int8), np.zeros(16, np.int32)
    numbers = native.Normalization(1, sign, requant(gain), beta, 0, (-128, 127))
    expected = "portable" if isa == native.Isa.none else f"normalize_s8_{isa.name}"
    for dtype, name in ((native.DType.int8, expected), (native.DType.int16, "portable")):
        op = native.layer_norm(1, numbers, dtype, native.DType.uint8, isa)
        assert op.kernel == f"layer norm {name}"
