"""Native softmax and normalization equal the reference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.ir.int_ops import Normalization, QGroupNorm, QLayerNorm, QSoftmax, QSoftmax16
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN, Requant
from intact.numerics.formats import Int
from tests.unit.exec.native.sweeping import between, check, draw, draw_format, draw_zero_point
from tests.unit.exec.oracle import seeds

lengths = st.sampled_from([1, 2, 5, 64, 100, 1000, 8191])


@given(seeds, lengths)
def test_softmax(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    format, output = draw_format(rng, 1, 8), draw_format(rng, 1, 8)
    x = draw(rng, (between(rng, 1, 9), length), format)
    shift = between(rng, 15, 30) if rng.random() < 0.7 else between(rng, -31, 30)
    diff_min = -math.floor(31 * 2**26 / 2.0 ** max(shift, 0))
    multiplier = int(rng.choice([0, 1 << 30, INT32_MAX, between(rng, 1 << 30, INT32_MAX)]))
    if rng.random() < 0.3:
        diff_min = between(rng, -255, 0)
    op = QSoftmax(multiplier, shift, max(diff_min, INT32_MIN))
    check(op, [(format, x)], output)


@settings(max_examples=50)
@given(seeds, st.sampled_from([1, 2, 5, 64, 100, 1000, 9000]), st.booleans())
def test_softmax16(seed: int, length: int, exact_tables: bool) -> None:
    rng = np.random.default_rng(seed)
    format, output = draw_format(rng, 9), draw_format(rng, 9)
    x = draw(rng, (between(rng, 1, 9), length), format)
    exponentials = np.rint(np.exp(np.linspace(-10, 0, 513)) * 32767)
    reciprocals = np.rint(32767 / (1 + np.linspace(0, 1, 513)))
    if not exact_tables:
        exponentials = rng.integers(0, 1 << 15, 513)
        reciprocals = rng.integers(-(1 << 15), 1 << 15, 513)
    exponentials[-2:] = np.maximum(exponentials[-2:], 1 << 14)
    op = QSoftmax16(
        between(rng, 1 << 30, INT32_MAX),
        between(rng, -31, 30) if rng.random() < 0.3 else between(rng, -6, 6),
        exponentials.astype(np.int16),
        reciprocals.astype(np.int16),
    )
    check(op, [(format, x)], output)


def draw_normalization(rng: np.random.Generator, output: Int, channels: int) -> Normalization:
    gains = int(rng.choice([1, channels]))
    wide = rng.random() < 0.2
    gain = Requant(
        rng.integers(1 << 30, 1 << 31, gains),
        rng.integers(-31, 15 if wide else 31, gains)
        if rng.random() < 0.3
        else rng.integers(-14, -2, gains),
        0 if rng.random() < 0.7 else between(rng, INT32_MIN, INT32_MAX),
        np.array([INT32_MIN]),
        np.array([INT32_MAX]),
        64 if wide else 32,
    )
    ends = sorted(draw_zero_point(rng, output) for _ in range(2))
    if rng.random() < 0.7:
        ends = [output.qmin, output.qmax]
    beta = rng.integers(-5000, 5000, channels)
    if rng.random() < 0.2:
        beta = rng.choice([INT32_MIN, INT32_MAX], channels)
    return Normalization(
        epsilon=between(rng, 1, 1 << between(rng, 1, 61)),
        gain_sign=rng.integers(-1, 2, channels),
        gain=gain,
        beta=beta,
        zero_point=draw_zero_point(rng, output),
        qmin=ends[0],
        qmax=ends[1],
    )


@given(seeds, st.sampled_from([1, 2, 3]))
def test_layer_norm(seed: int, axes: int) -> None:
    rng = np.random.default_rng(seed)
    format, output = draw_format(rng), draw_format(rng)
    shape = (between(rng, 1, 9), between(rng, 1, 5), int(rng.choice([1, 2, 63, 64, 65, 300])))
    op = QLayerNorm(axes, draw_normalization(rng, output, math.prod(shape[-axes:])))
    check(op, [(format, draw(rng, shape, format))], output)


@pytest.mark.parametrize(("format", "count"), [(Int(8), 1 << 22), (Int(16), 1 << 15)], ids=repr)
def test_the_longest_rows_do_not_overflow(format: Int, count: int) -> None:
    rng = np.random.default_rng(5)
    op = QLayerNorm(1, draw_normalization(rng, Int(8), count))
    x = np.full((3, count), format.qmin, format.storage)
    x[0, 0] = format.qmax
    x[1, ::2] = format.qmax
    check(op, [(format, x)], Int(8))


@given(seeds, st.integers(1, 4), st.integers(0, 2))
def test_group_norm(seed: int, groups: int, space: int) -> None:
    rng = np.random.default_rng(seed)
    format, output = draw_format(rng), draw_format(rng)
    channels = groups * int(rng.choice([1, 2, 5, 70]))
    pixels = tuple(between(rng, 1, 9) for _ in range(space))
    op = QGroupNorm(groups, draw_normalization(rng, output, channels))
    check(op, [(format, draw(rng, (between(rng, 1, 5), *pixels, channels), format))], output)
