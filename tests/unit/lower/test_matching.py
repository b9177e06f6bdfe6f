"""Every sum of a layer of few bits has the code of the real layer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.lower.accumulators import Terms
from intact.lower.matching import matched
from intact.lower.requant import Bounds, quantize_bias, requant
from intact.numerics.arrays import Array
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams, scalar_scale, scalar_zero_point

CHANNELS, TAPS = 20, 60
seeds = st.integers(0, 10**6)


def drawn(rng: np.random.Generator, output: QuantParams) -> Terms:
    """Sums within +-900, most of them within the output's range."""
    source = QuantParams(Int(4), np.float32(0.2))
    span = 2.0**output.format.bits * scalar_scale(output)
    scale = span / 0.2 / rng.uniform(40, 600, CHANNELS)
    bias = rng.uniform(-0.5, 0.5, CHANNELS) * span
    return Terms(np.full(CHANNELS, float(TAPS)), scale, source, bias)


def codes_of(sums: Array, terms: Terms, output: QuantParams, low: int, high: int) -> Array:
    """The real layer's codes (S, O), and whether no tie is near."""
    real = (sums * terms.unit(0) + terms.bias) / scalar_scale(output) + scalar_zero_point(output)
    clear = np.abs(real - np.floor(real) - 0.5) > 1e-9
    return np.where(clear, np.clip(np.rint(real), low, high), np.nan)


def made_of(sums: Array, bias: Array, shift: int, found: Requant) -> Array:
    return found(sums.astype(np.int64) * 2**shift + bias)


@given(seeds, st.sampled_from([Int(2), Int(3), Int(4), Int(4, signed=False)]), st.booleans())
def test_all_sums_have_the_real_code(seed: int, format: Int, relu: bool) -> None:
    rng = np.random.default_rng(seed)
    zero_point = int(rng.integers(format.qmin, format.qmax + 1))
    output = QuantParams(format, np.float32(rng.uniform(0.01, 2)), np.asarray(zero_point))
    terms = drawn(rng, output)
    shift = 4 + int(rng.integers(3))
    unit = terms.unit(shift)
    bounds = Bounds(np.zeros(1), np.full(1, np.inf)) if relu else None
    first = requant(unit / scalar_scale(output), output, bounds)
    nearest = quantize_bias(terms.bias, unit, 32)
    bias, found = matched(nearest, terms, shift, first, scalar_scale(output))
    assert bias.dtype == np.int32
    sums = np.arange(-terms.reach[0], terms.reach[0] + 1)[:, None]
    low, high = int(found.qmin[0]), int(found.qmax[0])
    expected = codes_of(sums, terms, output, low, high)
    right = (made_of(sums, bias, shift, found) == expected) | np.isnan(expected)
    assert right.all(axis=0).mean() >= 0.8  # of the channels: 15 codes hardly fit 16 places
    assert right.mean() > 0.998


def test_more_codes_than_room_are_right_for_most_sums() -> None:
    output = QuantParams(Int(8), np.float32(0.1), np.asarray(-5))
    shares = []
    for seed in range(8):
        terms = drawn(np.random.default_rng(seed), output)
        unit = terms.unit(6)
        first = requant(unit / scalar_scale(output), output)
        nearest = quantize_bias(terms.bias, unit, 32)
        sums = np.arange(-terms.reach[0], terms.reach[0] + 1)[:, None]
        expected = codes_of(sums, terms, output, -128, 127)
        bias, found = matched(nearest, terms, 6, first, scalar_scale(output))
        made = made_of(sums, nearest, 6, first), made_of(sums, bias, 6, found)
        shares.append([float((codes == expected).mean()) for codes in made])
    before, after = np.mean(shares, axis=0)
    assert before < after
    assert after > 0.99


@pytest.mark.parametrize("still", [False, True])
def test_constant_channels_and_those_beyond_every_code_stay(still: bool) -> None:
    """A bias far outside of the output saturates, whatever the sum."""
    output = QuantParams(Int(4), np.float32(0.1))
    source = QuantParams(Int(4), np.float32(0.2))
    terms = Terms(np.full(3, 10.0), np.full(3, 0.01), source, np.array([50.0, -50.0, 0.0]))
    first = requant(terms.unit(4) / 0.1, output)
    if still:
        zero = np.zeros(3, np.int64)
        first = Requant(zero, zero, 0, np.array([1, 2, 3]), np.array([1, 2, 3]))
    bias, found = matched(quantize_bias(terms.bias, terms.unit(4), 32), terms, 4, first, 0.1)
    sums = np.arange(-80, 81)[:, None]
    made = made_of(sums, bias, 4, found)
    wanted = [1, 2, 3] if still else [7, -8]
    np.testing.assert_array_equal(made[:, : len(wanted)], np.tile(wanted, (161, 1)))
