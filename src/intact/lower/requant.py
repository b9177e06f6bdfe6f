"""Real scales → integers: requantization, biases and activation bounds (arithmetic.md, 3 to 5)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node
from intact.ir.int_ops import Operand
from intact.numerics.arrays import F64, Array, IntArray
from intact.numerics.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    Requant,
    quantize_multiplier,
    sign_requant,
)
from intact.numerics.formats import Binary, Int, Ternary
from intact.numerics.qtensor import QuantParams, scalar_scale, scalar_zero_point
from intact.numerics.special import round_half_away

VALUES = Int(2, narrow=True)  # codes of binary and ternary activations; padding with 0 is one, too
WIDE_LIMIT = 2**46  # of a 64-bit accumulator: times a 15-bit multiplier it still fits (eq. 14)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an activation leaves: min(max(x, low), high)."""

    low: F64  # (C,) or (1,); -inf and inf where there is no bound
    high: F64


FusedActivation = Bounds | None


def activation_bounds(node: Node[FloatOp], constants: Mapping[str, Array]) -> Bounds:
    """The bounds of a Relu, Clamp or ChannelClamp."""
    match node.op:
        case ops.Relu():
            low, high = np.zeros(1), np.full(1, np.inf)
        case ops.Clamp(lower, upper):
            low = np.array([-np.inf if lower is None else lower])
            high = np.array([np.inf if upper is None else upper])
        case ops.ChannelClamp():
            low, high = (constants[v.name].astype(np.float64) for v in node.inputs[1:])
        case _:
            raise AssertionError(node.op)
    return Bounds(low, high)


def reach(params: QuantParams) -> int:
    """Largest |code - zero_point| of an activation."""
    format, zero_point = params.format, scalar_zero_point(params)
    assert isinstance(format, Int)
    return max(format.qmax - zero_point, zero_point - format.qmin)


def coded(params: QuantParams) -> QuantParams:
    """What a Program's codes mean: the values of binary and ternary activations are their codes."""
    if isinstance(params.format, Binary | Ternary):
        return QuantParams(VALUES, params.scale)
    return params


def product_bits(largest: int) -> Literal[32, 64]:
    """Bits of an accumulator that never exceeds `largest` in magnitude."""
    return 32 if largest < 1 << 31 else 64


def integer_format(params: QuantParams | None) -> Int | None:
    """The format of an activation that integer operations can use."""
    if params is None or params.scale.size != 1:
        return None
    format = coded(params).format
    return format if isinstance(format, Int) and format.bits <= 16 else None


def clamp_bounds(activation: FusedActivation, params: QuantParams) -> tuple[IntArray, IntArray]:
    """Lowest and highest code that a fused activation leaves, one or one a channel (eq. 28).

    TFLite's activation range. Bounds that agree in all channels are one. The sign of what is at
    least a bound of 0 is always +1.
    """
    format = coded(params).format
    assert isinstance(format, Int)
    if activation is None:
        return np.array([format.qmin]), np.array([format.qmax])
    zero_point, scale = scalar_zero_point(params), scalar_scale(params)

    def codes(bounds: F64) -> IntArray:
        if isinstance(params.format, Binary):
            return np.where(bounds >= 0, 1, -1)
        nearest = zero_point + round_half_away(bounds / scale)
        return np.asarray(np.clip(nearest, format.qmin, format.qmax), np.int64)

    low, high = codes(activation.low), codes(activation.high)
    low = np.minimum(low, high)
    if (low == low[0]).all() and (high == high[0]).all():
        return low[:1], high[:1]
    return low, high


def saturating_multiplier(
    real: Array | float, accumulator_bits: Literal[32, 64] = 32
) -> tuple[IntArray, IntArray]:
    """As `quantize_multiplier`, but numbers too large for it become the largest.

    Inputs far larger than the output's range need such numbers. Codes saturate then at both ends
    for almost every accumulator other than 0, whatever the multiplier.
    """
    largest = 2.0 ** (30 if accumulator_bits == 32 else 14) - 1  # shifts up to 30 or 14
    return quantize_multiplier(np.minimum(np.asarray(real, np.float64), largest))


def requant(
    real_multiplier: Array | float,
    output: QuantParams,
    activation: FusedActivation = None,
    accumulator_bits: Literal[32, 64] = 32,
) -> Requant:
    """Accumulator units times `real_multiplier` are units of the output's scale (eq. 12, 15).

    A binary output is the accumulator's sign.
    """
    low, high = clamp_bounds(activation, output)
    if isinstance(output.format, Binary):
        return sign_requant(low, high, accumulator_bits)
    multiplier, shift = saturating_multiplier(np.atleast_1d(real_multiplier), accumulator_bits)
    return Requant(
        multiplier=multiplier,
        shift=shift,
        zero_point=scalar_zero_point(output),
        qmin=low,
        qmax=high,
        accumulator_bits=accumulator_bits,
    )


def constant_channels(requant: Requant, still: NDArray[np.bool_], real: F64) -> Requant:
    """Requant of which some channels give one code whatever their sum is: that of `real` (O,).

    Args:
        requant: Of the other channels.
        still: The channels (O,).
        real: What they give, in units of the output's scale.
    """
    if not still.any():
        return requant
    code = np.clip(requant.zero_point + round_half_away(real), requant.qmin, requant.qmax)
    return replace(
        requant,
        multiplier=np.where(still, 0, requant.multiplier),
        shift=np.where(still, 0, requant.shift),
        qmin=np.where(still, code, requant.qmin).astype(np.int64),
        qmax=np.where(still, code, requant.qmax).astype(np.int64),
    )


def identity_requant(output: QuantParams) -> Requant:
    """Keeps codes as they are: multiplier exactly 1."""
    return requant(1.0, output)


def add_operands(
    a: QuantParams, b: QuantParams, output: QuantParams, activation: FusedActivation
) -> tuple[Operand, Operand, int, Requant]:
    """Both operands on the common scale 2 * max / 2**left_shift, then to the output's (TFLite)."""
    scales = [float(np.float64(scalar_scale(p))) for p in (a, b)]
    common = 2 * max(scales)
    left_shift = _add_left_shift(a, b)
    operands = []
    for params, scale in zip((a, b), scales, strict=True):
        multiplier, shift = quantize_multiplier(scale / common)
        operands.append(Operand(scalar_zero_point(params), int(multiplier), int(shift)))
    output_multiplier = common / ((1 << left_shift) * scalar_scale(output))
    return operands[0], operands[1], left_shift, requant(output_multiplier, output, activation)


def _add_left_shift(a: QuantParams, b: QuantParams) -> int:
    formats = [p.format for p in (a, b)]
    if all(isinstance(f, Int) and f.bits <= 8 for f in formats):
        return 20
    # 16-bit differences from a zero point need a 17th bit unless the zero point is 0.
    return 15 if scalar_zero_point(a) == scalar_zero_point(b) == 0 else 14


def quantize_bias(bias: Array, scale: F64, bits: Literal[32, 64]) -> IntArray:
    """Bias in units of the accumulator, input scale times weight scale (zero point 0)."""
    codes = round_half_away(np.asarray(bias, np.float64) / scale)
    if bits == 32:
        return np.clip(codes, INT32_MIN, INT32_MAX).astype(np.int32)
    return np.clip(codes, -WIDE_LIMIT, WIDE_LIMIT).astype(np.int64)
