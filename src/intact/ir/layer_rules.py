"""What layers with weights need: constants, zero points and accumulators that cannot overflow."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from intact.ir import int_ops
from intact.ir.attributes import (
    ACCUMULATOR_MAX,
    check_accumulator,
    check_all,
    check_range,
    check_real,
    check_requant,
    check_size,
    codes,
    reach,
)
from intact.ir.graph import Value
from intact.numerics.arrays import Array, IntArray
from intact.numerics.formats import Float, Format, Int
from intact.numerics.integers import code_integers, integer_range

Layer: TypeAlias = int_ops.QConv2d | int_ops.QConvTranspose2d | int_ops.QLinear
Dynamic: TypeAlias = int_ops.DynamicConv2d | int_ops.DynamicLinear
WEIGHT_SHIFT_MAX = 7
ZeroPoints: TypeAlias = tuple[int, ...] | None


def check_layer(
    op: Layer, inputs: Sequence[Value], output: Value, constants: Mapping[str, Array]
) -> None:
    """Dtypes of x, weight and bias, zero points, and the largest accumulator of each channel.

    Raises:
        ValueError: says what does not fit.
    """
    x, weight, bias = inputs
    codes(output)
    check_constants(constants, weight, bias)
    bits = op.requant.accumulator_bits
    if bias.dtype not in (Int(32), Int(bits)):
        raise ValueError(f'"{bias.name}" is {bias.dtype}, expected {Int(bits)}')
    channels = weight.shape[0]
    check_range("weight_shift", op.weight_shift, 0, WEIGHT_SHIFT_MAX)
    heaviest = _weight_reach(weight, op.weight_zero_point, channels) << op.weight_shift
    check_requant(op.requant, channels, output.dtype)
    x_reach = reach(codes(x), op.input_zero_point)
    biases = constants[bias.name]
    largest_bias = max(-int(biases.min()), int(biases.max()))
    taps = math.prod(weight.shape[1:])
    largest = taps * heaviest * x_reach + largest_bias
    if largest > ACCUMULATOR_MAX[bits]:
        rows = _absolute_sums(constants[weight.name], weight.dtype, op.weight_zero_point)
        lifted = x_reach << op.weight_shift
        largest = max(row * lifted + abs(int(b)) for row, b in zip(rows, biases.flat, strict=True))
    check_accumulator(largest, op.requant)


def check_embedding(
    op: int_ops.QEmbedding, inputs: Sequence[Value], output: Value, constants: Mapping[str, Array]
) -> None:
    """Indices within the table where they are known, zero points and Requant for each row.

    Raises:
        ValueError: says what does not fit.
    """
    indices, weight = inputs
    codes(output)
    check_constants(constants, weight)
    check_indices(indices, weight.shape[0], constants)
    largest = _weight_reach(weight, op.weight_zero_point, weight.shape[0])
    check_accumulator(largest, op.requant)
    check_requant(op.requant, weight.shape[0], output.dtype)


def check_indices(indices: Value, size: int, constants: Mapping[str, Array]) -> None:
    """Integers, and within 0..size - 1 if they are a constant; others are checked when run."""
    codes(indices, 1, 64)
    if indices.name in constants:
        check_all("an index", constants[indices.name], 0, size - 1)


def check_dynamic(
    op: Dynamic, inputs: Sequence[Value], output: Value, constants: Mapping[str, Array]
) -> None:
    """Real x and output, weights as codes with a real scale and bias for each channel.

    Raises:
        ValueError: says what does not fit.
    """
    x, weight, scale, bias = inputs
    check_real(x, scale, bias, output)
    check_constants(constants, weight, scale, bias)
    if not op.activation.signed or not 2 <= op.activation.bits <= 16:
        raise ValueError(f"activation {op.activation} is not signed, of 2 to 16 bits")
    taps = math.prod(weight.shape[1:])
    largest = taps * _weight_reach(weight, None, weight.shape[0]) * op.activation.qmax
    limit = ACCUMULATOR_MAX[32 if op.activation.bits <= 8 else 64]
    if largest > limit:
        raise ValueError(f"the accumulator may reach {largest}, more than {limit}")


def check_constants(constants: Mapping[str, Array], *values: Value) -> None:
    """All are constants: kernels rearrange them once, before they run."""
    for value in values:
        if value.name not in constants:
            raise ValueError(f'"{value.name}" is computed, expected a constant')


def _weight_reach(weight: Value, zero_points: ZeroPoints, channels: int) -> int:
    """Largest |integer - zero_point| that the weight's format allows."""
    if isinstance(weight.dtype, Float) or weight.dtype.bits > 16:
        raise ValueError(f'"{weight.name}" is {weight.dtype}, expected up to 16 bit codes')
    low, high = integer_range(weight.dtype)
    offsets = np.asarray((0,) if zero_points is None else zero_points, np.int64)
    check_size("weight_zero_point", offsets, (1, channels))
    if zero_points is not None:
        check_all("weight_zero_point", offsets, low, high)
    return max(high - int(offsets.min()), int(offsets.max()) - low)


def _absolute_sums(weight: Array, format: Format, zero_points: ZeroPoints) -> list[int]:
    """Sum of |integer - zero_point| over each output channel; one channel at a time in memory."""
    sums = []
    offsets: IntArray = np.zeros(len(weight), np.int64)
    if zero_points is not None:
        offsets[:] = zero_points
    for channel, offset in zip(weight, offsets, strict=True):
        sums.append(int(np.abs(code_integers(channel, format) - offset).sum()))
    return sums
