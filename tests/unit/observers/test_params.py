"""Scale and zero point of a range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.numerics.formats import Int
from intact.observers.params import choose_params

_END = st.floats(-1e6, 1e6, width=32)
_FORMAT = st.builds(Int, st.sampled_from([2, 4, 8, 16]), st.booleans())


def test_an_asymmetric_range_is_nudged_to_hold_zero():
    params = choose_params(-1.0, 2.0, Int(8), symmetric=False)
    assert params.scale == np.float32(3 / 255)
    assert params.offset == -43  # round(-128 + 85)


def test_a_symmetric_range_reaches_the_larger_end():
    params = choose_params(-1.0, 2.54, Int(8), symmetric=True)
    assert params.scale == np.float32(0.02)
    assert params.zero_point is None


def test_a_range_without_zero_is_widened():
    assert choose_params(2.0, 5.1, Int(8, signed=False), symmetric=False).offset == 0
    assert choose_params(-5.1, -2.0, Int(8, signed=False), symmetric=False).offset == 255


def test_a_range_of_zero_gets_scale_one():
    assert choose_params(0.0, 0.0, Int(8), symmetric=False).scale == 1
    assert choose_params(0.0, 0.0, Int(8), symmetric=True).scale == 1


def test_ranges_come_in_arrays():
    low, high = np.array([[-1.0], [0.0], [-3.0]]), np.array([[2.0], [0.0], [1.0]])
    params = choose_params(low, high, Int(4), symmetric=False)
    ends = np.concatenate([low, high], axis=1).tolist()
    one_by_one = [choose_params(bottom, top, Int(4), False) for bottom, top in ends]
    assert params.scale.shape == (3, 1)
    assert params.scale[:, 0].tolist() == [p.scale for p in one_by_one]
    assert params.offset[:, 0].tolist() == [p.offset for p in one_by_one]


def test_a_symmetric_unsigned_format_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        choose_params(0.0, 1.0, Int(8, signed=False), symmetric=True)


@given(_END, _END, _FORMAT)
def test_every_number_in_the_range_is_within_a_step_of_the_grid(a, b, format):
    low, high = min(a, b), max(a, b)
    params = choose_params(low, high, format, symmetric=False)
    x = np.linspace(min(low, 0), max(high, 0), 50).astype(np.float32)
    error = np.abs(params.dequantize(params.quantize(x)).astype(np.float64) - x)
    rounding = 1e-6 * max(-low, high, 0)
    assert (error <= 1.001 * params.scale + rounding).all()


@given(_END, _END, _FORMAT)
def test_zero_is_exact_and_the_zero_point_is_a_code(a, b, format):
    params = choose_params(min(a, b), max(a, b), format, symmetric=False)
    assert format.qmin <= params.offset <= format.qmax
    assert params.dequantize(params.quantize(np.zeros(1, np.float32))) == 0


@given(_END, _END, st.integers(-20, 20))
def test_a_power_of_two_scales_the_scale_alone(a, b, exponent):
    a, b = round(a, 3), round(b, 3)
    factor = 2.0**exponent
    params = choose_params(min(a, b), max(a, b), Int(8), symmetric=False)
    scaled = choose_params(factor * min(a, b), factor * max(a, b), Int(8), symmetric=False)
    assert scaled.offset == params.offset
    if a or b:
        assert scaled.scale == params.scale * factor
