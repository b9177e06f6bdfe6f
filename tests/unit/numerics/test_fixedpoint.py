"""The integer arithmetic against unbounded Python integers and gemmlowp's published behaviour."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.numerics.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    Int64Array,
    Requant,
    divided_multiplier,
    doubling_high_mul,
    multiply_by_quantized_multiplier,
    multiply_wide,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturate32,
)

EDGES = [INT32_MIN, INT32_MIN + 1, -(1 << 30), -3, -2, -1, 0, 1, 2, 3, 1 << 30, INT32_MAX]
int32 = st.one_of(st.sampled_from(EDGES), st.integers(INT32_MIN, INT32_MAX))
int48 = st.integers(-(1 << 47), (1 << 47) - 1)
multipliers = st.one_of(st.just(0), st.integers(1 << 30, INT32_MAX))
reals = st.floats(2.0**-32, 2.0**29)


# --- the same functions on one unbounded Python integer, after gemmlowp's C ------------------


def clamp(x: int, low: int, high: int) -> int:
    return min(max(x, low), high)


def truncating_divide(a: int, b: int) -> int:
    """a / b as in C."""
    return a // b if a >= 0 else -(-a // b)


def c_doubling_high_mul(a: int, b: int) -> int:
    if a == b == INT32_MIN:
        return INT32_MAX
    nudge = 1 << 30 if a * b >= 0 else 1 - (1 << 30)
    return truncating_divide(a * b + nudge, 1 << 31)


def floor_doubling_high_mul(a: int, b: int) -> int:
    return min((a * b + (1 << 30)) >> 31, INT32_MAX)


def c_rounding_divide_by_pot(x: int, exponent: int) -> int:
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def c_multiply(x: int, multiplier: int, shift: int) -> int:
    shifted = clamp(x << max(shift, 0), INT32_MIN, INT32_MAX)
    return c_rounding_divide_by_pot(c_doubling_high_mul(shifted, multiplier), max(-shift, 0))


def c_multiply_wide(x: int, multiplier: int, shift: int) -> int:
    reduced = (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF
    return (x * reduced + (1 << (14 - shift))) >> (15 - shift)


def single_rounding(x: Int64Array, multiplier: int, shift: int) -> Int64Array:
    """TFLite built with TFLITE_SINGLE_ROUNDING."""
    return (x * multiplier + (1 << (30 - shift))) >> (31 - shift)


def array(*numbers: int) -> Int64Array:
    return np.array(numbers, np.int64)


# --- doubling_high_mul -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1 << 30, 1, 1),
        (-(1 << 30), 1, 0),
        (-(1 << 30), 3, -1),
        (INT32_MIN, INT32_MIN, INT32_MAX),
        (INT32_MIN, INT32_MAX, -INT32_MAX),
        (INT32_MAX, INT32_MAX, INT32_MAX - 1),
    ],
)
def test_doubling_high_mul_of_published_values(a: int, b: int, expected: int) -> None:
    assert doubling_high_mul(array(a), array(b)) == expected
    assert c_doubling_high_mul(a, b) == expected


@given(st.lists(st.tuples(int32, int32), min_size=1))
def test_doubling_high_mul_equals_gemmlowp(pairs: list[tuple[int, int]]) -> None:
    a, b = array(*(a for a, _ in pairs)), array(*(b for _, b in pairs))
    assert doubling_high_mul(a, b).tolist() == [c_doubling_high_mul(a, b) for a, b in pairs]


@given(int32, int32)
def test_truncating_and_flooring_forms_of_doubling_high_mul_agree(a: int, b: int) -> None:
    assert c_doubling_high_mul(a, b) == floor_doubling_high_mul(a, b)


@given(st.integers(-(1 << 20), 1 << 20))
def test_doubling_high_mul_rounds_ties_up(x: int) -> None:
    assert doubling_high_mul(array(2 * x + 1), array(1 << 30)) == x + 1


# --- rounding_divide_by_pot ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "exponent", "expected"),
    [(5, 1, 3), (-5, 1, -3), (6, 2, 2), (-6, 2, -2), (-2, 2, -1), (2, 2, 1), (INT32_MIN, 31, -1)],
)
def test_rounding_divide_by_pot_of_published_values(x: int, exponent: int, expected: int) -> None:
    assert rounding_divide_by_pot(array(x), array(exponent)) == expected
    assert c_rounding_divide_by_pot(x, exponent) == expected


@given(st.lists(st.tuples(int32, st.integers(0, 31)), min_size=1))
def test_rounding_divide_by_pot_equals_gemmlowp(pairs: list[tuple[int, int]]) -> None:
    x, exponent = array(*(x for x, _ in pairs)), array(*(e for _, e in pairs))
    expected = [c_rounding_divide_by_pot(x, e) for x, e in pairs]
    assert rounding_divide_by_pot(x, exponent).tolist() == expected


@given(int32, st.integers(0, 31))
def test_rounding_divide_by_pot_is_odd(x: int, exponent: int) -> None:
    divided = rounding_divide_by_pot(array(x, -x), array(exponent))
    assert divided[0] == -divided[1]


# --- quantize_multiplier ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("real", "multiplier", "shift"),
    [
        (0.0003, 1319413953, -11),
        (0.75, 1610612736, 0),
        (1.0, 1 << 30, 1),
        (1 - 2.0**-40, 1 << 30, 1),  # the fraction rounds to 2**31: halved
        (2.0**-32, 1 << 30, -31),
        (2.0**-33, 0, 0),
        (0.0, 0, 0),
        (2.0**29, 1 << 30, 30),
    ],
)
def test_quantize_multiplier_of_published_values(real: float, multiplier: int, shift: int) -> None:
    assert quantize_multiplier(real) == (multiplier, shift)


@given(st.lists(reals, min_size=1))
def test_quantize_multiplier_keeps_thirty_bits(numbers: list[float]) -> None:
    multiplier, shift = quantize_multiplier(np.array(numbers))
    assert (multiplier >= 1 << 30).all()
    assert (multiplier <= INT32_MAX).all()
    restored = np.ldexp(multiplier.astype(np.float64), shift - 31)
    np.testing.assert_allclose(restored, numbers, rtol=2.0**-31, atol=0)


@pytest.mark.parametrize("real", [-1e-9, np.nan, np.inf, 2.0**30, 2.0**30 - 0.25])
def test_quantize_multiplier_refuses_what_has_no_shift(real: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 2\*\*30\)"):
        quantize_multiplier(np.array([0.5, real]))


def test_largest_multiplier_has_the_largest_shift() -> None:
    assert quantize_multiplier(2.0**30 - 0.5) == (INT32_MAX, 30)


# --- multiply_by_quantized_multiplier --------------------------------------------------------


@given(st.lists(st.tuples(int32, multipliers, st.integers(-31, 30)), min_size=1))
def test_multiply_equals_gemmlowp(rows: list[tuple[int, int, int]]) -> None:
    x, multiplier, shift = (array(*column) for column in zip(*rows, strict=True))
    expected = [c_multiply(*row) for row in rows]
    assert multiply_by_quantized_multiplier(x, multiplier, shift).tolist() == expected


@given(int32, reals)
def test_multiply_is_within_one_of_the_real_product(x: int, real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    exact = clamp(x << max(int(shift), 0), INT32_MIN, INT32_MAX) * real / 2.0 ** max(int(shift), 0)
    result = multiply_by_quantized_multiplier(array(x), multiplier, shift)
    assert abs(int(result[0]) - exact) <= 1 + abs(exact) * 2.0**-30


def test_multiply_is_odd_but_for_ties() -> None:
    multiplier, shift = quantize_multiplier(0.25)
    x = np.arange(8)
    assert multiply_by_quantized_multiplier(x, multiplier, shift).tolist() == [
        0,
        1,
        1,
        1,
        1,
        2,
        2,
        2,
    ]
    assert multiply_by_quantized_multiplier(-x, multiplier, shift).tolist() == [
        0, 0, -1, -1, -1, -1, -2, -2,
    ]  # fmt: skip


def test_left_shift_saturates() -> None:
    product = multiply_by_quantized_multiplier(
        array(1 << 20, -(1 << 20)), array(1 << 30), array(20)
    )
    assert product.tolist() == [1 << 30, -(1 << 30)]


def test_double_rounding_differs_from_single_rounding_at_minus_two_quarters() -> None:
    multiplier, shift = quantize_multiplier(0.25)
    assert multiply_by_quantized_multiplier(array(-2), multiplier, shift) == -1
    assert single_rounding(array(-2), int(multiplier), int(shift)) == 0


@pytest.mark.parametrize(
    ("real", "share"), [(0.0003, 0.0003), (0.0073, 0.0042), (0.1, 0.10), (0.25, 0.249)]
)
def test_double_and_single_rounding_differ_by_one_at_the_measured_rate(
    real: float, share: float
) -> None:
    multiplier, shift = (int(number) for number in quantize_multiplier(real))
    x = np.random.default_rng(0).integers(-(1 << 24), 1 << 24, 400_000)
    double = multiply_by_quantized_multiplier(x, array(multiplier), array(shift))
    difference = double - single_rounding(x, multiplier, shift)
    assert np.abs(difference).max() == 1
    assert np.count_nonzero(difference) / len(x) == pytest.approx(share, rel=0.15)


# --- multiply_wide ---------------------------------------------------------------------------


@given(st.lists(st.tuples(int48, multipliers, st.integers(-31, 14)), min_size=1))
def test_multiply_wide_equals_the_int64_overload(rows: list[tuple[int, int, int]]) -> None:
    x, multiplier, shift = (array(*column) for column in zip(*rows, strict=True))
    assert multiply_wide(x, multiplier, shift).tolist() == [c_multiply_wide(*row) for row in rows]


def test_multiply_wide_keeps_its_multiplier_below_two_to_the_fifteen() -> None:
    assert multiply_wide(array(1 << 40), array(INT32_MAX), array(0)) == (0x7FFF << 40) >> 15


@given(int48, st.floats(2.0**-31, 1.0))
def test_multiply_wide_is_within_a_fifteen_bit_multiplier_of_the_real_product(
    x: int, real: float
) -> None:
    multiplier, shift = quantize_multiplier(real)
    result = multiply_wide(array(x), multiplier, shift)
    assert abs(int(result[0]) - x * real) <= 0.5 + abs(x * real) * 2.0**-14


# --- Requant ---------------------------------------------------------------------------------


def requant(
    real: list[float], zero_point: int = 0, qmin: int = -128, qmax: int = 127, bits: int = 32
) -> Requant:
    multiplier, shift = quantize_multiplier(np.array(real))
    return Requant(
        multiplier, shift, zero_point, array(qmin), array(qmax), 64 if bits == 64 else 32
    )


@given(
    st.lists(st.tuples(int32, multipliers, st.integers(-31, 30)), min_size=1),
    st.integers(-128, 127),
)
def test_requant_per_channel(rows: list[tuple[int, int, int]], zero_point: int) -> None:
    acc, multiplier, shift = (array(*column) for column in zip(*rows, strict=True))
    apply = Requant(multiplier, shift, zero_point, array(-128), array(127))
    expected = [clamp(c_multiply(*row) + zero_point, -128, 127) for row in rows]
    assert apply(acc).tolist() == expected
    assert apply(np.tile(acc, (2, 3, 1))).tolist() == [[expected] * 3] * 2


@given(st.lists(int32, min_size=1), multipliers, st.integers(-31, 30))
def test_requant_per_tensor(accs: list[int], multiplier: int, shift: int) -> None:
    apply = Requant(array(multiplier), array(shift), -5, array(-128), array(127))
    expected = [clamp(c_multiply(acc, multiplier, shift) - 5, -128, 127) for acc in accs]
    assert apply(array(*accs)).tolist() == expected


@given(st.lists(st.tuples(int48, multipliers, st.integers(-31, 14)), min_size=1))
def test_requant_of_64_bits(rows: list[tuple[int, int, int]]) -> None:
    acc, multiplier, shift = (array(*column) for column in zip(*rows, strict=True))
    apply = Requant(multiplier, shift, 0, array(-32768), array(32767), 64)
    assert apply(acc).tolist() == [clamp(c_multiply_wide(*row), -32768, 32767) for row in rows]


@given(st.lists(int32, min_size=2), reals)
def test_requant_is_monotone(accs: list[int], real: float) -> None:
    apply = requant([real], 3, INT32_MIN, INT32_MAX)
    assert (np.diff(apply(array(*sorted(accs)))) >= 0).all()


@given(st.lists(int48, min_size=2), st.floats(2.0**-31, 2.0**13))
def test_requant_of_64_bits_is_monotone(accs: list[int], real: float) -> None:
    apply = requant([real], 3, -32768, 32767, bits=64)
    assert (np.diff(apply(array(*sorted(accs)))) >= 0).all()


def test_requant_saturates_at_the_clamp() -> None:
    apply = requant([0.5], 10, 10, 100)  # a fused ReLU starts at the zero point
    assert apply(array(INT32_MIN, -1, 0, 1, 90, 180, 181, INT32_MAX)).tolist() == [
        10, 10, 10, 11, 55, 100, 100, 100,
    ]  # fmt: skip


def test_requant_clamps_each_channel_to_its_own_bounds() -> None:
    multiplier, shift = quantize_multiplier(np.ones(3))
    apply = Requant(multiplier, shift, 0, array(-1, -2, -3), array(1, 2, 3))
    assert apply(array(9, 9, 9)).tolist() == [1, 2, 3]
    assert apply(array(-9, -9, -9)).tolist() == [-1, -2, -3]


def test_requant_with_one_multiplier_and_bounds_per_channel() -> None:
    multiplier, shift = quantize_multiplier(np.ones(1))
    apply = Requant(multiplier, shift, 0, array(0, 0), array(5, 6))
    assert apply(array(9, 9)).tolist() == [5, 6]


def test_requant_by_one_is_the_identity_on_int32() -> None:
    apply = requant([1.0], 0, INT32_MIN, INT32_MAX)
    acc = array(-(1 << 30), -7, 0, 7, 1 << 29)
    assert apply(acc).tolist() == acc.tolist()


def test_requant_by_zero_gives_the_zero_point() -> None:
    assert requant([0.0, 0.0], -7)(array(INT32_MIN, INT32_MAX)).tolist() == [-7, -7]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_requant_takes_any_integer_dtype_and_does_not_write_to_it(dtype: type) -> None:
    acc = np.array([-100, 0, 100], dtype)
    assert requant([0.5, 2.0, 3.0])(acc).tolist() == [-50, 0, 127]
    assert acc.tolist() == [-100, 0, 100]
    assert requant([0.5])(acc).dtype == np.int64


def test_requants_are_equal_by_content() -> None:
    assert requant([0.5, 0.25], 3) == requant([0.5, 0.25], 3)
    assert requant([0.5, 0.25], 3) != requant([0.5, 0.25], 4)
    assert requant([0.5, 0.25], 3) != requant([0.5, 0.125], 3)
    assert requant([0.5], 3) != requant([0.5], 3, qmax=126)
    assert requant([0.5], 3) != requant([0.5], 3, bits=64)
    assert requant([0.5]) != 0.5


@pytest.mark.parametrize(
    ("multiplier", "shift", "qmin", "qmax", "bits", "message"),
    [
        (array(1, 2), array(0), array(0), array(1), 32, "multiplier of shape"),
        (np.int64(1), np.int64(0), array(0), array(1), 32, "multiplier of shape"),
        (array(1), array(0), array(0, 0), array(1), 32, "qmin of shape"),
        (array(-1), array(0), array(0), array(1), 32, r"in \[0, 2\*\*31\)"),
        (array(1 << 31), array(0), array(0), array(1), 32, r"in \[0, 2\*\*31\)"),
        (array(1 << 30), array(31), array(0), array(1), 32, r"in \[-31, 30\]"),
        (array(1 << 30), array(-32), array(0), array(1), 32, r"in \[-31, 30\]"),
        (array(1 << 30), array(15), array(0), array(1), 64, "up to 14"),
    ],
)
def test_requant_refuses_impossible_numbers(
    multiplier: Int64Array,
    shift: Int64Array,
    qmin: Int64Array,
    qmax: Int64Array,
    bits: int,
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        Requant(multiplier, shift, 0, qmin, qmax, 64 if bits == 64 else 32)


def test_saturate32() -> None:
    assert saturate32(array(-(1 << 40), -5, 1 << 40)).tolist() == [INT32_MIN, -5, INT32_MAX]


@given(st.integers(1 << 30, (1 << 31) - 1), st.integers(-31, 14), st.integers(1, 1 << 24))
def test_a_divided_multiplier_is_at_most_one_unit_too_small(
    multiplier: int, shift: int, count: int
) -> None:
    divided, moved = divided_multiplier(multiplier, shift, count)
    assert 0 <= divided < 1 << 31
    assert -31 <= moved <= shift
    exact = Fraction(multiplier, count) * 2 ** (shift - moved)
    assert divided <= exact < divided + 1
