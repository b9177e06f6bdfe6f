"""Tables for activations and softmax: what an integer executor looks up (arithmetic.md, 6, 7).

8-bit sigmoid, tanh, leaky ReLU and hard-swish are TFLite's reference kernels, evaluated on every
code; all other functions are evaluated in float64.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from intact.numerics import gemmlowp
from intact.numerics.arrays import F32, F64, Array, IntArray
from intact.numerics.fixedpoint import (
    Int64Array,
    doubling_high_mul,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
)
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams, scalar_scale, scalar_zero_point
from intact.numerics.special import round_half_away

Multiplier: TypeAlias = tuple[IntArray, IntArray]  # Q0.31, and the shift that follows

_STEPS = 512  # intervals of an interpolated table
INTERPOLATED_LIMIT = 1 << 23  # of its entries: slope times 7-bit position fits int32
_LOGISTIC_INTEGER_BITS = 4
_DIFFERENCE_BITS = 5  # integer bits of a softmax's scaled differences


def _unpack(params: QuantParams) -> tuple[Int, float, int]:
    """(format, scale, zero point) of a per-tensor activation."""
    if not isinstance(params.format, Int) or params.scale.size != 1:
        raise ValueError(f"a table needs one scale and an Int format, not {params}")
    return params.format, scalar_scale(params), scalar_zero_point(params)


def _encode(real: F64, params: QuantParams) -> F64:
    """Codes of real numbers as float64, not clamped."""
    _, scale, zero_point = _unpack(params)
    return round_half_away(real / scale) + zero_point


def _clamp(codes: Array, format: Int) -> IntArray:
    return np.clip(codes, format.qmin, format.qmax).astype(format.storage)


def lookup_table(f: Callable[[F64], F64], source: QuantParams, output: QuantParams) -> IntArray:
    """Output code of f for every input code, in increasing order: (2**bits,)."""
    format, scale, zero_point = _unpack(source)
    codes = np.arange(format.qmax + 1 - (1 << format.bits), format.qmax + 1)
    return _clamp(
        _encode(f(scale * (codes - zero_point).astype(np.float64)), output), _unpack(output)[0]
    )


def float32_table(f: Callable[[F32], F32], source: QuantParams, output: QuantParams) -> IntArray:
    """The same in float32 throughout, as TFLite's LUTPopulate computes it."""
    (format, scale, zero_point), (out_format, out_scale, out_zero) = map(_unpack, (source, output))
    codes = np.arange(format.qmin, format.qmax + 1)
    x = np.float32(scale) * (codes - zero_point).astype(np.float32)
    with np.errstate(over="ignore"):
        steps = round_half_away(f(x) * (np.float32(1) / np.float32(out_scale)))
    return _clamp(steps + np.float32(out_zero), out_format)


def logistic32(x: F32) -> F32:
    """1 / (1 + exp(-x)), without leaving float32."""
    with np.errstate(over="ignore"):
        return np.asarray(np.float32(1) / (np.float32(1) + np.exp(-x)))


def interpolated_table(
    f: Callable[[F64], F64], source: QuantParams, output: QuantParams
) -> IntArray:
    """513 int32 entries at codes qmin + i * 2**(bits - 9), for 9 to 16 bits.

    Entries may lie outside of the output's format: clamping comes after interpolation, or the last
    interval inside of the range would bend.

    Each entry but the last is corrected by half of the interpolation's error at its interval's
    midpoint (TFLite's LUTPopulate, with entries exactly on the codes).
    """
    format, scale, zero_point = _unpack(source)
    if format.bits < 9:
        raise ValueError(f"{format} needs no interpolation")
    step = 1 << (format.bits - 9)
    lowest = format.qmax + 1 - (1 << format.bits)  # also for a narrow format
    points = np.float64(scale) * (lowest - zero_point + step * np.arange(0, _STEPS + 0.5, 0.5))
    table = _corrected(lambda x: _scaled(f(x), output), points)
    table = np.clip(table + _unpack(output)[2], -INTERPOLATED_LIMIT, INTERPOLATED_LIMIT)
    return table.astype(np.int32)


def _scaled(real: F64, output: QuantParams) -> F64:
    return np.asarray(real / _unpack(output)[1])


def _corrected(f: Callable[[F64], F64], points: F64) -> F64:
    """Entries at every other point; those between are the midpoints."""
    values = f(points)
    ends, middle = values[::2], values[1::2]
    rounded = round_half_away(ends)
    interpolated = round_half_away((ends[1:] + rounded[:-1]) / 2)
    bias = round_half_away((interpolated - round_half_away(middle)) / 2)
    return np.append(rounded[:-1] - bias, rounded[-1])


def interpolate(table: IntArray, position: Int64Array, bits: int) -> Int64Array:
    """Table at position / 2**bits, linearly, ties up; 0 <= position < 512 * 2**bits."""
    wide = table.astype(np.int64)
    index = position >> bits
    base = wide[index]
    slope = wide[index + 1] - base
    half = (1 << bits) >> 1
    return np.asarray(base + ((slope * (position & ((1 << bits) - 1)) + half) >> bits))


def exp_table() -> IntArray:
    """Exp on [-10, 0] in Q0.15 (TFLite's gen_lut)."""
    return _unit_table(np.exp, -10.0, 0.0)


def reciprocal_table() -> IntArray:
    """1 / (1 + x) on [0, 1] in Q0.15 (TFLite's gen_lut)."""
    return _unit_table(lambda x: 1 / (1 + x), 0.0, 1.0)


def _unit_table(f: Callable[[F64], F64], low: float, high: float) -> IntArray:
    points = np.linspace(low, high, 2 * _STEPS + 1)
    table = _corrected(lambda x: np.asarray(f(x) * 32768.0), points)
    return np.clip(table, -32768, 32767).astype(np.int16)


def _centred(source: QuantParams) -> tuple[Int64Array, float]:
    """(code - zero point of every int8 code, scale)."""
    format, scale, zero_point = _unpack(source)
    if format.bits != 8 or not format.signed:
        raise ValueError(f"TFLite's 8-bit kernels read int8, not {format}")
    return np.arange(-128, 128) - zero_point, scale


def _q4_27(source: QuantParams) -> tuple[Int64Array, Int64Array]:
    """(inputs in Q4.27, where they saturate: -1, 0 or 1)."""
    centred, scale = _centred(source)
    multiplier, shift = quantize_multiplier(scale * 2.0 ** (31 - _LOGISTIC_INTEGER_BITS))
    radius = int((2**_LOGISTIC_INTEGER_BITS - 1) * 2.0**27 / 2.0 ** max(int(shift), 0))
    saturated = (centred >= radius).astype(np.int64) - (centred <= -radius)
    inside = np.where(saturated == 0, centred, 0)
    return multiply_by_quantized_multiplier(inside, multiplier, shift), saturated


def _saturated_codes(codes: IntArray, saturated: IntArray) -> IntArray:
    ends = np.where(saturated > 0, 127, -128)
    return np.where(saturated == 0, np.clip(codes, -128, 127), ends).astype(np.int8)


def logistic_table(source: QuantParams) -> IntArray:
    """TFLite LOGISTIC int8: (256,) codes with scale 1/256, zero point -128.

    A scale of 8 or more, where TFLite's radius would be empty, gives the nearest codes.
    """
    if _unpack(source)[1] >= 8:
        output = QuantParams(Int(8), np.asarray(1 / 256, np.float32), np.asarray(-128))
        return lookup_table(lambda x: (1 + np.tanh(x / 2)) / 2, source, output)
    inputs, saturated = _q4_27(source)
    result = gemmlowp.logistic(inputs, _LOGISTIC_INTEGER_BITS)
    return _saturated_codes(rounding_divide_by_pot(result, np.asarray(23)) - 128, saturated)


def tanh_table(source: QuantParams) -> IntArray:
    """TFLite TANH int8: (256,) codes with scale 1/128, zero point 0; scales of 8 as above."""
    if _unpack(source)[1] >= 8:
        output = QuantParams(Int(8), np.asarray(1 / 128, np.float32), np.asarray(0))
        return lookup_table(np.tanh, source, output)
    inputs, saturated = _q4_27(source)
    result = gemmlowp.tanh(inputs, _LOGISTIC_INTEGER_BITS)
    return _saturated_codes(rounding_divide_by_pot(result, np.asarray(24)), saturated)


def leaky_relu_table(slope: float, source: QuantParams, output: QuantParams) -> IntArray:
    """TFLite LEAKY_RELU int8: one multiplier for each sign; slope >= 0."""
    _, scale = _centred(source)
    out_scale = _unpack(output)[1]
    identity = quantize_multiplier(scale / out_scale)
    alpha = quantize_multiplier(scale * slope / out_scale)
    return slopes_table(source, output, identity, alpha)


def slopes_table(
    source: QuantParams, output: QuantParams, positive: Multiplier, negative: Multiplier
) -> IntArray:
    """The same of given multipliers, for every code of 8 bits, signed or not."""
    read, _, source_zero = _unpack(source)
    format, _, zero_point = _unpack(output)
    centred = np.arange(read.qmin, read.qmax + 1) - source_zero
    scaled = np.where(
        centred >= 0,
        multiply_by_quantized_multiplier(centred, *positive),
        multiply_by_quantized_multiplier(centred, *negative),
    )
    return _clamp(scaled + zero_point, format)


def _int16_multiplier(real: float) -> tuple[Int64Array, int]:
    """(multiplier in Q0.15, shift)."""
    multiplier, shift = quantize_multiplier(real)
    return np.minimum((multiplier + (1 << 15)) >> 16, 32767), int(shift)


def _high_mul16(a: IntArray, b: IntArray) -> Int64Array:
    """round(a * b / 2**15), ties toward +infinity: gemmlowp's int16 doubling high product."""
    return doubling_high_mul(np.asarray(a, np.int64) << 8, np.asarray(b, np.int64) << 8)


def _saturate16(x: IntArray) -> Int64Array:
    return np.clip(x, -32768, 32767)


def hard_swish_table(source: QuantParams, output: QuantParams) -> IntArray:
    """TFLite HARD_SWISH int8: a relu-like factor in [0, 1] times x, in 16-bit fixed point.

    TFLite refuses input scales of 128 output scales or more; those give the nearest codes.
    """
    centred, scale = _centred(source)
    format, out_scale, zero_point = _unpack(output)
    fine_scale = np.float32(scale) * np.float32(1 / 128)
    out_multiplier, out_shift = _int16_multiplier(float(fine_scale / np.float32(out_scale)))
    if out_shift > 0:
        return lookup_table(lambda x: x * np.clip(x + 3, 0, 6) / 6, source, output)
    fine = centred * 128
    factor, shift = _int16_multiplier(float(fine_scale / np.float32(3 / 32768)))
    relu_like = _saturate16(fine << (shift - 1)) if shift > 0 else fine
    relu_like = _high_mul16(relu_like, factor)
    if shift > 0:
        relu_like = _saturate16(relu_like << 1)
    relu_like = rounding_divide_by_pot(relu_like, np.asarray(max(-shift, 0)))
    relu_like = (relu_like + (1 << 15)) >> 1
    product = relu_like * _high_mul16(fine, out_multiplier)
    truncated = np.sign(product) * (np.abs(product) >> 15)  # as C divides
    return _clamp(rounding_divide_by_pot(truncated, np.asarray(-out_shift)) + zero_point, format)


def softmax_exponentials(multiplier: int, shift: int, diff_min: int, largest: int) -> Int64Array:
    """exp(-d) in Q0.31 for differences d = 0 .. largest; 0 where -d is below diff_min (eq. 38)."""
    differences = -np.arange(largest + 1)
    counted = differences >= diff_min
    scaled = multiply_by_quantized_multiplier(
        np.where(counted, differences, 0), np.asarray(multiplier), np.asarray(shift)
    )
    exponentials = gemmlowp.exp_on_negative_values(scaled, _DIFFERENCE_BITS)
    return np.where(counted, exponentials, 0)
