"""What holds for every number format: a finite sorted grid, and encode finds its nearest value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.numerics.arrays import F64, Array
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
from intact.numerics.integers import code_integers, integer_range, integer_unit

FORMATS: list[Format] = [
    *(Int(bits) for bits in range(2, 17)),
    *(Int(bits, signed=False) for bits in range(1, 17)),
    *(Int(bits, narrow=True) for bits in range(2, 17)),
    FP16, BF16, E4M3, E5M2,
    Binary(), *(MidRise(bits) for bits in range(2, 8)), Ternary(),
    *(PowerOfTwo(bits) for bits in range(2, 6)),
]  # fmt: skip
WIDE: list[Format] = [Int(32), Int(64), Int(32, signed=False), Int(64, signed=False), FP32]


def _name(format: Format) -> str:
    return f"{format}-narrow" if isinstance(format, Int) and format.narrow else str(format)


every_format = pytest.mark.parametrize("format", FORMATS, ids=_name)
every_format_and_storage = pytest.mark.parametrize("format", FORMATS + WIDE, ids=_name)


def grid(format: Format) -> F64:
    return format.decode(format.codes()).astype(np.float64)


@st.composite
def numbers(draw: st.DrawFn, values: F64) -> F64:
    """Numbers anywhere, on the grid, halfway between two of its values, and next to all those."""
    lower = draw(st.lists(st.integers(0, len(values) - 2), min_size=1, max_size=20))
    middles = (values[lower] + values[np.add(lower, 1)]) / 2
    anywhere = draw(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
    span = draw(st.lists(st.floats(-1.25, 1.25), min_size=1, max_size=20))
    x = np.concatenate([values[lower], middles, anywhere, np.multiply(span, values[-1])])
    return np.concatenate([x, np.nextafter(x, np.inf), np.nextafter(x, -np.inf)])


@every_format
def test_codes_are_of_the_storage_type_and_fit_the_bits(format: Format) -> None:
    codes = format.codes()
    assert codes.dtype == format.storage
    assert codes.ndim == 1
    assert 2 <= len(np.unique(codes.view(f"u{codes.itemsize}"))) == len(codes) <= 2**format.bits


@every_format
def test_values_increase(format: Format) -> None:
    steps = np.diff(grid(format))
    assert (steps >= 0).all()
    assert np.count_nonzero(steps == 0) == (1 if isinstance(format, Float) else 0)  # -0 and +0


@every_format
def test_encode_undoes_decode(format: Format) -> None:
    codes = format.codes()
    assert format.decode(codes).dtype == np.float32
    again = format.encode(format.decode(codes))
    assert again.dtype == format.storage
    assert again.tobytes() == codes.tobytes()  # -0 stays -0


@every_format
def test_encode_undoes_decode_in_double_precision(format: Format) -> None:
    codes = format.codes()
    assert format.encode(grid(format)).tobytes() == codes.tobytes()


@every_format
@settings(max_examples=10)
@given(data=st.data())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_encode_finds_the_nearest_value(format: Format, dtype: type, data: st.DataObject) -> None:
    values = np.unique(grid(format))
    with np.errstate(over="ignore"):
        x = data.draw(numbers(values)).astype(dtype)
    middles = (values[1:] + values[:-1]) / 2  # exact
    below = values[np.searchsorted(middles, x, side="left")]
    above = values[np.searchsorted(middles, x, side="right")]  # differs from below in a tie only
    found = format.decode(format.encode(x))
    assert ((found == below) | (found == above)).all()


@every_format_and_storage
def test_out_of_range_saturates(format: Format) -> None:
    x = np.array([-np.inf, -1e300, 1e300, np.inf])
    values = format.decode(format.encode(x)).astype(np.float64)
    assert np.isfinite(values).all()
    assert values[0] == values[1] == format.decode(format.encode(x[:1].astype(np.float32)))
    assert values[2] == values[3] == format.decode(format.encode(x[3:].astype(np.float32)))
    if format not in WIDE:
        assert values.tolist() == [grid(format)[0]] * 2 + [grid(format)[-1]] * 2


@every_format_and_storage
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_nan_has_no_code(format: Format, dtype: type) -> None:
    with pytest.raises(ValueError, match="NaN has no code"):
        format.encode(np.array([0.0, np.nan], dtype))


@every_format_and_storage
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 3, 1)])
def test_shape_is_kept(format: Format, shape: tuple[int, ...]) -> None:
    codes = format.encode(np.zeros(shape))
    assert codes.shape == shape
    assert format.decode(codes).shape == shape


@every_format_and_storage
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.float16, np.float32])
def test_code_does_not_depend_on_the_precision_of_the_number(format: Format, dtype: type) -> None:
    x: Array = np.array([-100, -3, -1, 0, 1, 2, 77, 127])
    assert format.encode(x.astype(dtype)).tobytes() == format.encode(x.astype(float)).tobytes()


@every_format
def test_integer_times_unit_is_the_value(format: Format) -> None:
    if isinstance(format, Float):
        with pytest.raises(ValueError, match=f"{format} has no integers"):
            code_integers(format.codes(), format)
        return
    integers = code_integers(format.codes(), format)
    assert integers.dtype == np.int64
    assert (integers * integer_unit(format) == grid(format)).all()
    assert np.gcd.reduce(integers) == 1  # the unit is the largest possible
    assert integer_range(format) == (integers.min(), integers.max())


def test_names_tell_formats_apart() -> None:
    names = [_name(format) for format in FORMATS + WIDE]
    assert len(set(names)) == len(names)


def test_formats_are_values() -> None:
    assert len(set(FORMATS)) == len(FORMATS)
    assert Int(8) == Int(8)
    assert Int(8) != Int(8, narrow=True)
