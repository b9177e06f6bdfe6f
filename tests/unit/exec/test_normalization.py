"""Integer normalization equals its equations, and lies close to real arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.exec import normalization
from intact.ir.int_ops import Normalization, QGroupNorm, QLayerNorm
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN, Requant, quantize_multiplier
from intact.numerics.formats import Int
from tests.unit.exec.oracle import clamp, draw_codes, node, requantized, run_node, seeds


@given(st.lists(st.integers(0, (1 << 62) - 1), min_size=1))
def test_integer_sqrt_is_exact(numbers: list[int]) -> None:
    assert normalization.integer_sqrt(np.array(numbers)).tolist() == [
        math.isqrt(x) for x in numbers
    ]


@given(st.integers(1, (1 << 31) - 1))
def test_integer_sqrt_around_squares(root: int) -> None:
    around = np.array([root * root - 1, root * root, root * root + 1])
    assert normalization.integer_sqrt(around).tolist() == [root - 1, root, root]


def standardized(codes: list[int], epsilon: int) -> list[int]:
    """The equation on Python integers."""
    count, total = len(codes), sum(codes)
    variance = count * sum(q * q for q in codes) - total * total + epsilon
    k = 0
    while variance << (2 * -k) < 1 << 60:
        k -= 1
    inverse = (1 << 61) // math.isqrt(variance << (2 * -k))
    shift = 61 - 20 + k
    assert abs(inverse) <= 1 << 31
    results = []
    for q in codes:
        product = (count * q - total) * inverse
        assert abs(product) < 1 << 63
        results.append(clamp((product + (1 << (shift - 1))) >> shift, INT32_MIN, INT32_MAX))
    return results


@given(
    seeds, st.integers(1, 40), st.sampled_from([Int(8), Int(16), Int(2)]), st.integers(1, 1 << 61)
)
def test_standardize_equals_its_equation(seed: int, count: int, format: Int, epsilon: int) -> None:
    codes = draw_codes(np.random.default_rng(seed), (3, count), format).astype(np.int64)
    for small in (1, epsilon % 5000 + 1, epsilon):
        result = normalization.standardize(codes, small)
        assert result.tolist() == [standardized(row, small) for row in codes.tolist()]


@pytest.mark.parametrize(("bits", "count"), [(8, 1 << 22), (16, 1 << 15)])
@pytest.mark.parametrize("kind", ["one differs", "halves", "constant"])
def test_the_longest_rows_do_not_overflow(bits: int, count: int, kind: str) -> None:
    low, high = Int(bits).qmin, Int(bits).qmax
    codes = np.full((1, count), low, np.int64)
    if kind != "constant":
        codes[0, : 1 if kind == "one differs" else count // 2] = high
    result = normalization.standardize(codes, 1)
    deviation = codes.std()
    exact = (codes - codes.mean()) / deviation if deviation else np.zeros(codes.shape)
    # One unit of 2**-20, and the inverse root's relative 2**-30.
    assert (np.abs(result / 2**20 - exact) <= 2.0**-20 + np.abs(exact) * 2.0**-29).all()


def draw_normalization(rng: np.random.Generator, channels: int, out_scale: float) -> tuple:
    """(integers, gamma, beta) for an output of this scale."""
    gamma = rng.normal(0, 1, channels)
    gamma[rng.random(channels) < 0.2] = 0
    beta = rng.normal(0, 0.5, channels)
    multiplier, shift = quantize_multiplier(np.abs(gamma) / out_scale * 2.0 ** (8 - 20))
    free = np.array([INT32_MIN]), np.array([INT32_MAX])
    numbers = Normalization(
        epsilon=int(rng.integers(1, 1000)),
        gain_sign=np.sign(gamma).astype(np.int64),
        gain=Requant(multiplier, shift, 0, *free),
        beta=np.rint(beta / out_scale * 256).astype(np.int64),
        zero_point=int(rng.integers(-20, 20)),
        qmin=-128,
        qmax=127,
    )
    return numbers, gamma, beta


def affine(value: int, op: Normalization, channel: int) -> int:
    scaled = requantized(op.gain, value * int(op.gain_sign[channel]), channel)
    total = clamp(scaled + int(op.beta[channel]), INT32_MIN, INT32_MAX)
    magnitude = (abs(total) + 128) >> 8
    return clamp((magnitude if total >= 0 else -magnitude) + op.zero_point, op.qmin, op.qmax)


@given(seeds, st.integers(1, 2))
def test_layer_norm_equals_python_integers(seed: int, axes: int) -> None:
    rng = np.random.default_rng(seed)
    x = draw_codes(rng, (2, 3, 4))
    count = 4 if axes == 1 else 12
    op = QLayerNorm(axes, draw_normalization(rng, count, 0.02)[0])
    out = run_node(node(op, [(Int(8), (-1, 3, 4))], Int(8)), [x])
    rows = x.reshape(-1, count).tolist()
    for row, result in zip(rows, out.reshape(-1, count).tolist(), strict=True):
        normal = standardized(row, op.normalization.epsilon)
        assert result == [affine(t, op.normalization, c) for c, t in enumerate(normal)]


@given(seeds, st.sampled_from([1, 2, 4]))
def test_group_norm_equals_python_integers(seed: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    x = draw_codes(rng, (2, 3, 2, 4))
    op = QGroupNorm(groups, draw_normalization(rng, 4, 0.02)[0])
    out = run_node(node(op, [(Int(8), (-1, 3, 2, 4))], Int(8)), [x])
    depth = 4 // groups
    for n, g in np.ndindex(2, groups):
        members = x[n, :, :, g * depth : (g + 1) * depth]
        normal = standardized(members.ravel().tolist(), op.normalization.epsilon)
        results = out[n, :, :, g * depth : (g + 1) * depth].ravel().tolist()
        for i, (t, code) in enumerate(zip(normal, results, strict=True)):
            assert code == affine(t, op.normalization, g * depth + i % depth)


@given(seeds, st.sampled_from([16, 64, 768]))
def test_layer_norm_is_within_half_a_code_and_a_bit_of_real_arithmetic(
    seed: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    out_scale = float(rng.uniform(0.01, 0.1))
    x = draw_codes(rng, (4, count))
    op, gamma, beta = draw_normalization(rng, count, out_scale)
    out = run_node(node(QLayerNorm(1, op), [(Int(8), (-1, count))], Int(8)), [x])
    real = x.astype(np.float64)
    variance = real.var(axis=1, keepdims=True) + op.epsilon / count**2
    normal = (real - real.mean(axis=1, keepdims=True)) / np.sqrt(variance) * gamma + beta
    exact = np.clip(normal / out_scale + op.zero_point, -128, 127)
    # Half a code, half a unit of 2**-8 for beta, 3/4 of one for the gain's two roundings.
    bound = 0.5 + (0.5 + 0.75 + 0.05) / 256
    assert np.abs(out - exact).max() <= bound


def test_constant_rows_give_beta() -> None:
    rng = np.random.default_rng(1)
    op = draw_normalization(rng, 8, 0.02)[0]
    x = np.full((1, 8), -77, np.int8)
    out = run_node(node(QLayerNorm(1, op), [(Int(8), (-1, 8))], Int(8)), [x])
    assert out[0].tolist() == [affine(0, op, c) for c in range(8)]


@pytest.mark.parametrize(("format", "limit"), [(Int(8), 22), (Int(16), 15), (Int(9), 15)])
def test_refuses_rows_whose_sums_would_overflow(format: Int, limit: int) -> None:
    op = QLayerNorm(1, draw_normalization(np.random.default_rng(1), 4, 0.02)[0])
    with pytest.raises(ValueError, match=rf"at most 2\*\*{limit} fit"):
        run_node(node(op, [(format, (-1, (1 << limit) + 1))], Int(8)), [])
