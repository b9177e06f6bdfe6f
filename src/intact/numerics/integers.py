"""The integers behind a format's codes, which integer kernels add up (arithmetic.md, eq. 5)."""

from typing import assert_never

import numpy as np

from intact.numerics.arrays import Codes, IntArray
from intact.numerics.fixedpoint import Int64Array
from intact.numerics.formats import Binary, Float, Format, Int, MidRise, PowerOfTwo, Ternary


def integer_unit(format: Format) -> float:
    """The largest number of which every value of the format is an integer multiple, exactly.

    Raises:
        ValueError: for floating point, whose values have no common unit of useful size.
    """
    match format:
        case Int() | Ternary() | Binary() | MidRise():
            return 1.0
        case PowerOfTwo():
            return 2.0**format.lowest_exponent
        case Float():
            raise ValueError(f"{format} has no integers")
        case _:
            assert_never(format)


def integer_range(format: Format) -> tuple[int, int]:
    """Lowest and highest integer of a format.

    Raises:
        ValueError: for floating point.
    """
    if isinstance(format, Int):
        return format.qmin, format.qmax
    integers = code_integers(format.codes(), format)
    return int(integers.min()), int(integers.max())


def code_integers(codes: Codes, format: Format) -> Int64Array:
    """The integer of each code: its value in multiples of `integer_unit`.

    Raises:
        ValueError: for floating point.
    """
    unit = integer_unit(format)
    values = codes if isinstance(format, Int) else format.decode(codes) / unit
    return values.astype(np.int64)


def weight_integers(
    codes: Codes, format: Format, zero_point: tuple[int, ...] | None, shift: int = 0
) -> Int64Array:
    """The integer of each code, less the zero point of its row along axis 0, << shift (eq. 5, 18).

    Raises:
        ValueError: for floating point.
    """
    integers = code_integers(codes, format)
    if zero_point is not None:
        integers = integers - np.asarray(zero_point).reshape(-1, *(1,) * (codes.ndim - 1))
    return np.asarray(integers << shift, np.int64)


def narrowest(integers: Int64Array) -> IntArray:
    """The integers as int8 if all of them fit, else as int16, else as int32."""
    for storage in (np.int8, np.int16):
        limits = np.iinfo(storage)
        if limits.min <= integers.min() and integers.max() <= limits.max:
            return integers.astype(storage)
    return integers.astype(np.int32)
