"""The values of each format, its ties, and the formats that do not exist."""

import ml_dtypes
import numpy as np
import pytest

from intact.numerics.formats import (
    BF16,
    E4M3,
    E5M2,
    FP16,
    FP32,
    Binary,
    Float,
    Format,
    Int,
    MidRise,
    PowerOfTwo,
    Ternary,
)
from intact.numerics.integers import code_integers, integer_unit

FLOATS = [
    (FP16, np.float16),
    (BF16, ml_dtypes.bfloat16),
    (E4M3, ml_dtypes.float8_e4m3fn),
    (E5M2, ml_dtypes.float8_e5m2),
]
every_float = pytest.mark.parametrize(("format", "dtype"), FLOATS, ids=[str(f) for f, _ in FLOATS])


@pytest.mark.parametrize("bits", range(2, 17))
def test_bounds_of_integers(bits: int) -> None:
    half = 2 ** (bits - 1)
    assert (Int(bits).qmin, Int(bits).qmax) == (-half, half - 1)
    assert (Int(bits, narrow=True).qmin, Int(bits, narrow=True).qmax) == (1 - half, half - 1)
    assert (Int(bits, signed=False).qmin, Int(bits, signed=False).qmax) == (0, 2 * half - 1)
    for format in (Int(bits), Int(bits, narrow=True), Int(bits, signed=False)):
        assert format.codes().tolist() == list(range(format.qmin, format.qmax + 1))


@pytest.mark.parametrize(
    ("format", "storage"),
    [
        (Int(1, signed=False), np.uint8),
        (Int(4), np.int8),
        (Int(8), np.int8),
        (Int(8, signed=False), np.uint8),
        (Int(9), np.int16),
        (Int(16, signed=False), np.uint16),
        (Int(32), np.int32),
        (Int(64), np.int64),
        (Binary(), np.int8),
        (MidRise(7), np.int8),
        (Ternary(), np.int8),
        (PowerOfTwo(5), np.int8),
        (FP32, np.float32),
    ],
)
def test_storage(format: Format, storage: type) -> None:
    assert format.storage == storage


def test_integers_round_ties_to_even() -> None:
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 126.5, 127.5])
    assert Int(8).encode(x).tolist() == [-2, -2, 0, 0, 2, 2, 126, 127]


def test_wide_integers_saturate() -> None:
    x = np.array([-3e9, 2147483647.0, 3e9])
    assert Int(32).encode(x).tolist() == [-(2**31), 2**31 - 1, 2**31 - 1]
    assert Int(32).encode(x.astype(np.float32)).tolist() == [-(2**31), 2**31 - 1, 2**31 - 1]
    assert Int(64).encode(np.array([-1e30, 1e30])).tolist() == [-(2**63), 2**63 - 1024]


def test_half_precision_numbers_do_not_overflow_wide_grids() -> None:
    assert Int(16).encode(np.array([65504], np.float16)).tolist() == [32767]
    assert FP32.encode(np.array([65504], np.float16)).tolist() == [65504]


@every_float
def test_float_codes_are_all_finite_patterns(format: Float, dtype: type) -> None:
    unsigned = np.dtype(f"u{np.dtype(dtype).itemsize}")
    every = np.arange(2**format.bits, dtype=unsigned).view(dtype)
    finite = every[np.isfinite(every.astype(np.float32))]
    assert sorted(format.codes().view(unsigned)) == sorted(finite.view(unsigned))
    assert (format.decode(format.codes()) == format.codes().astype(np.float32)).all()


@every_float
def test_largest_float(format: Float, dtype: type) -> None:
    assert format.largest == float(ml_dtypes.finfo(dtype).max) == format.decode(format.codes())[-1]


@every_float
def test_encode_equals_the_cast_of_single_precision(format: Float, dtype: type) -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(20_000) * 2.0 ** rng.integers(-20, 5, 20_000)).astype(np.float32)
    assert format.encode(x).tobytes() == x.astype(dtype).tobytes()


@every_float
def test_encode_rounds_double_precision_once(format: Float, dtype: type) -> None:
    half = 2.0 ** -(format.mantissa + 1)
    x = np.array([1 + half - 2.0**-40, 1 + half, 1 + half + 2.0**-40, 1 + 3 * half - 2.0**-40])
    assert format.encode(x).astype(np.float64).tolist() == [1, 1, 1 + 2 * half, 1 + 2 * half]
    assert format.encode(-x).tolist() == (-format.encode(x)).tolist()
    assert format.encode(x).dtype == dtype


def test_largest_values() -> None:
    assert [f.largest for f in (FP16, BF16, E4M3, E5M2)] == [
        65504,
        3.3895313892515355e38,
        448,
        57344,
    ]
    assert FP32.largest == np.finfo(np.float32).max


def test_binary_has_no_zero() -> None:
    assert Binary().encode(np.array([-2.0, -1e-30, -0.0, 0.0, 5.0])).tolist() == [0, 0, 1, 1, 1]
    assert Binary().decode(np.array([0, 1], np.int8)).tolist() == [-1, 1]


def test_mid_rise_is_the_odd_integers() -> None:
    format = MidRise(2)
    assert format.decode(format.codes()).tolist() == [-3, -1, 1, 3]
    x = np.array([-9, -2.1, -2, -0.1, 0.0, 1.9, 2.0, 9])
    assert format.decode(format.encode(x)).tolist() == [-3, -3, -1, -1, 1, 1, 3, 3]


@pytest.mark.parametrize("bits", range(2, 8))
def test_mid_rise_holds_the_weights_of_dorefa(bits: int) -> None:
    levels = 2 * np.arange(2**bits) / (2**bits - 1) - 1  # 2 q_k(.) - 1
    values = MidRise(bits).decode(MidRise(bits).codes())
    np.testing.assert_allclose(values / (2**bits - 1), levels, rtol=1e-6)


def test_ternary() -> None:
    x = np.array([-9, -0.51, -0.5, 0.0, 0.5, 0.51, 9])
    assert Ternary().encode(x).tolist() == [-1, -1, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("bits", range(2, 6))
def test_powers_of_two(bits: int) -> None:
    format = PowerOfTwo(bits)
    positive = [2.0**e for e in range(format.lowest_exponent, 1)]
    assert len(positive) == 2 ** (bits - 1) - 1
    expected = [*(-v for v in reversed(positive)), 0.0, *positive]
    assert format.decode(format.codes()).tolist() == expected


def test_powers_of_two_round_ties_toward_zero() -> None:
    format = PowerOfTwo(3)  # 0, 1/4, 1/2, 1
    x = np.array([0.125, 0.126, 0.375, 0.376, 0.75, 0.76, -0.75, -0.76])
    values = format.decode(format.encode(x))
    assert values.tolist() == [0, 0.25, 0.25, 0.5, 0.5, 1, -0.5, -1]


def test_integers_of_powers_of_two() -> None:
    format = PowerOfTwo(3)
    assert integer_unit(format) == 0.25
    assert code_integers(format.codes(), format).tolist() == [-4, -2, -1, 0, 1, 2, 4]


@pytest.mark.parametrize("bits", [-1, 0, 17, 24, 33])
def test_integers_of_other_widths_do_not_exist(bits: int) -> None:
    with pytest.raises(ValueError, match=f"not {bits}"):
        Int(bits)


def test_impossible_formats_say_why() -> None:
    with pytest.raises(ValueError, match="unsigned"):
        Int(8, signed=False, narrow=True)
    with pytest.raises(ValueError, match="Binary"):
        Int(1)
    with pytest.raises(ValueError, match="3 exponent and 4 mantissa"):
        Float(3, 4)
    with pytest.raises(ValueError, match="finite only"):
        Float(5, 2, finite_only=True)
    with pytest.raises(ValueError, match="not 6"):
        PowerOfTwo(6)
    with pytest.raises(ValueError, match="not 1"):
        MidRise(1)


@pytest.mark.parametrize("format", [Int(32), Int(64), FP32], ids=str)
def test_wide_formats_do_not_list_their_codes(format: Int | Float) -> None:
    with pytest.raises(ValueError, match="too many codes"):
        format.codes()


@pytest.mark.parametrize(
    ("format", "name"),
    [
        (Int(8), "int8"),
        (Int(4, signed=False), "uint4"),
        (FP32, "fp32"),
        (FP16, "fp16"),
        (BF16, "bf16"),
        (E4M3, "e4m3"),
        (E5M2, "e5m2"),
        (Binary(), "binary"),
        (MidRise(2), "midrise-2"),
        (Ternary(), "ternary"),
        (PowerOfTwo(4), "pow2-4"),
    ],
)
def test_short_names(format: Format, name: str) -> None:
    assert str(format) == name
