"""Fixed-point multipliers that round as a multiplication in float64 does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.capture.tflite.scales import requant
from intact.capture.tflite.single_rounding import Sums, single_rounding
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.numerics.special import round_half_away


@given(
    scale=st.floats(2**-9, 0.49),
    low=st.integers(-60_000, -1),
    high=st.integers(1, 60_000),
    zero_point=st.integers(-128, 127),
)
@settings(max_examples=60)
def test_nearly_all_sums_have_the_code_of_float64(
    scale: float, low: int, high: int, zero_point: int
) -> None:
    output = QuantParams(Int(8), np.float32(1), np.asarray(zero_point))
    real = np.array([scale])
    sums = np.arange(low, high + 1)
    found = single_rounding(requant(real, output), real, Sums(np.array([low]), np.array([high])))(
        sums
    )
    expected = np.clip(round_half_away(sums * scale) + zero_point, -128, 127)
    wrong = np.flatnonzero(found != expected)
    assert len(wrong) <= 3
    assert (np.abs(found - expected)[wrong] == 1).all()


def test_two_roundings_are_wrong_more_often() -> None:
    """What lies just below a tie is rounded up to it first."""
    output = QuantParams(Int(8), np.float32(1), np.asarray(0))
    real = np.array([2.0**-10 * 1.0009])
    twice = requant(real, output)
    sums = np.arange(-(1 << 17), 1 << 17)
    expected = np.clip(round_half_away(sums * real), -128, 127)
    limits = Sums(sums[:1], sums[-1:])
    assert np.count_nonzero(twice(sums) != expected) > 100
    assert np.count_nonzero(single_rounding(twice, real, limits)(sums) != expected) < 10


def test_a_power_of_two_keeps_its_ties_away_from_zero() -> None:
    """For these, two roundings are right: -128 / 256 is -0.5, and becomes -1."""
    output = QuantParams(Int(8), np.float32(1), np.asarray(0))
    real, sums = np.array([2.0**-8]), np.arange(-40_000, 40_000)
    found = single_rounding(requant(real, output), real, Sums(sums[:1], sums[-1:]))
    expected = np.clip(round_half_away(sums * real), -128, 127)
    np.testing.assert_array_equal(found(sums), expected)


def test_channels_are_rounded_by_themselves_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    output = QuantParams(Int(8), np.float32(1), np.asarray(0))
    scale, ends = np.linspace(2.0**-9, 2.0**-8, 10), np.full(10, 1 << 15)
    whole = single_rounding(requant(scale, output), scale, Sums(-ends, ends))
    monkeypatch.setattr("intact.capture.tflite.single_rounding._BLOCK", 3)
    assert single_rounding(requant(scale, output), scale, Sums(-ends, ends)) == whole


def test_scales_beyond_all_codes_do_no_harm() -> None:
    output = QuantParams(Int(8), np.float32(1), np.asarray(0))
    real, sums = np.array([2.0**90]), np.arange(-3, 4)
    ends = np.array([1 << 30])
    found = single_rounding(requant(real, output), real, Sums(-ends, ends))(sums)
    np.testing.assert_array_equal(found, np.clip(sums * 1000, -128, 127))
