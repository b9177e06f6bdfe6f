"""Rules for the parts of operations: codes, zero points, Requants, attributes in range."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from enum import Enum

import numpy as np

from intact.ir.graph import Shape, Value
from intact.ir.int_ops import Normalization, Operand
from intact.ir.packing import code_range
from intact.numerics.arrays import IntArray
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN, Requant
from intact.numerics.formats import FP32, Format, Int
from intact.numerics.qtensor import QuantParams

MAX_RANK = 16
MAX_NAME = 1024
FLOAT32_MAX = float(np.finfo(np.float32).max)
NAME_RULE = f"names are 1 to {MAX_NAME} printable characters"
ACCUMULATOR_MAX = {32: INT32_MAX, 64: (1 << 47) - 1}  # multiply_wide takes 48 bits


def is_name(name: str) -> bool:
    """Whether a value may have this name: it fits into one line of text."""
    return 0 < len(name) <= MAX_NAME and name.isprintable()


def check_attribute(name: str, attribute: object) -> None:
    """Numbers fit 32 bits, integer or float, tuples of numbers for axes are short.

    Raises:
        ValueError: names the attribute that breaks this.
    """
    match attribute:
        case bool() | Enum() | None | np.ndarray():
            pass
        case int():
            check_range(name, attribute, INT32_MIN, INT32_MAX)
        case float():
            if not abs(attribute) <= FLOAT32_MAX:  # NaN is not either
                raise ValueError(f"{name} is {attribute}, which float32 does not hold")
        case tuple():
            if len(attribute) > MAX_RANK and name != "weight_zero_point":
                raise ValueError(f"{name} has {len(attribute)} entries, at most {MAX_RANK}")
            for entry in attribute:
                check_attribute(name, entry)
        case _:
            _check_fields(attribute)


def _check_fields(attribute: object) -> None:
    assert is_dataclass(attribute)
    for field in fields(attribute):
        # A normalization's epsilon is the one number that needs 64 bits.
        if not (isinstance(attribute, Normalization) and field.name == "epsilon"):
            check_attribute(field.name, getattr(attribute, field.name))


def check_range(name: str, number: int, low: int, high: int) -> None:
    """Refuses a number outside of low..high."""
    if not low <= number <= high:
        raise ValueError(f"{name} {number} is outside of {low}..{high}")


def check_all(name: str, numbers: IntArray, low: int, high: int) -> None:
    """Refuses an array with an entry outside of low..high."""
    if numbers.dtype.kind not in "iu":
        raise ValueError(f"{name} has dtype {numbers.dtype}, expected integers")
    for number in (numbers.min(), numbers.max()) if numbers.size else ():
        check_range(name, int(number), low, high)


def check_size(name: str, array: IntArray, sizes: Iterable[int]) -> None:
    """Refuses an array that is not a vector of one of these sizes."""
    expected = sorted(set(sizes))
    if array.ndim != 1 or array.size not in expected:
        raise ValueError(f"{name} has shape {array.shape}, expected {expected} entries")


def check_same_dtype(*values: Value) -> None:
    """All have the dtype of the first."""
    for value in values[1:]:
        if value.dtype != values[0].dtype:
            raise ValueError(
                f'"{value.name}" is {value.dtype!r}, "{values[0].name}" is {values[0].dtype!r}'
            )


def check_real(*values: Value) -> None:
    """All are float32."""
    for value in values:
        if value.dtype != FP32:
            raise ValueError(f'"{value.name}" is {value.dtype}, expected {FP32}')


def codes(value: Value, low: int = 1, high: int = 16) -> Int:
    """The format of an activation of codes with `low` to `high` bits."""
    if not isinstance(value.dtype, Int) or not low <= value.dtype.bits <= high:
        raise ValueError(f'"{value.name}" is {value.dtype}, expected {low} to {high} bit integers')
    return value.dtype


def reach(format: Int, zero_point: int, name: str = "input_zero_point") -> int:
    """Largest |code - zero_point|; the zero point must be a code."""
    check_range(name, zero_point, format.qmin, format.qmax)
    return max(format.qmax - zero_point, zero_point - format.qmin)


def check_accumulator(largest: int, requant: Requant) -> None:
    """No input may overflow the accumulator, or executors would disagree."""
    limit = ACCUMULATOR_MAX[requant.accumulator_bits]
    if largest > limit:
        raise ValueError(
            f"the accumulator may reach {largest}, more than {limit} of its"
            f" {requant.accumulator_bits} bits"
        )


def last_axis(shape: Shape) -> int:
    """Number of channels that a Requant may tell apart: 1 where it depends on the batch size."""
    return max(shape[-1], 1) if shape else 1


def check_requant(requant: Requant, channels: int, output: Format) -> None:
    """Entries for one or `channels` channels; clamp and zero point within the output's codes."""
    limits = code_range(output)
    if limits is None:
        raise ValueError(f"the output is {output}, expected codes")
    check_clamp(requant, channels, limits)
    check_range("requant's zero_point", requant.zero_point, *limits)


def check_clamp(requant: Requant, channels: int, limits: tuple[int, int]) -> None:
    """Entries for one or `channels` channels, and a clamp that is not empty within `limits`."""
    check_size("requant's multiplier", requant.multiplier, (1, channels))
    check_size("requant's clamp", requant.qmin, (1, channels))
    check_all("requant's qmin", requant.qmin, *limits)
    check_all("requant's qmax", requant.qmax, *limits)
    if (requant.qmin > requant.qmax).any():
        raise ValueError("requant's qmin exceeds its qmax")


def check_fixed_point(multiplier: int, shift: int) -> None:
    """A multiplier in [0, 2**31) and a shift in [-31, 30]."""
    check_range("multiplier", multiplier, 0, INT32_MAX)
    check_range("shift", shift, -31, 30)


def operand_reach(operand: Operand, left_shift: int, format: Int, name: str) -> int:
    """Largest |operand| of a sum after rescaling; none of its steps leaves 32 bits."""
    check_fixed_point(operand.multiplier, operand.shift)
    check_range("left_shift", left_shift, 0, 30)
    lifted = reach(format, operand.zero_point, f"{name}'s zero_point") << left_shift
    if lifted > INT32_MAX:
        raise ValueError(f"{name} shifted left by {left_shift} may overflow 32 bits")
    shifted = min(lifted << max(operand.shift, 0), INT32_MAX)
    return (shifted * operand.multiplier >> (31 + max(-operand.shift, 0))) + 1


def check_params(params: QuantParams, shape: Shape, dtype: Format) -> None:
    """Format, shape of the scales and range of the zero points fit a value.

    Raises:
        ValueError: says what does not fit.
    """
    if params.format != dtype:
        raise ValueError(f"params are for {params.format}, the codes are {dtype}")
    scale = params.scale
    if scale.ndim and (scale.ndim != len(shape) or not _divides(scale.shape, shape)):
        raise ValueError(f"scales of shape {scale.shape} do not fit shape {shape}")
    limits = code_range(dtype)
    if params.zero_point is not None:
        check_all("zero_point", params.zero_point, *((0, 0) if limits is None else limits))


def _divides(scales: Shape, shape: Shape) -> bool:
    return all(
        s == 1 or (s > 0 and n > 0 and n % s == 0) for s, n in zip(scales, shape, strict=True)
    )
