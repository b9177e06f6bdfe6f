"""The operations of a Program: integers in, integers out, channels last (N, H, W, C).

The meaning of each is defined by the reference executor and doc/arithmetic.md. A Program also
holds members of `FloatOp`: the data movements `Reshape`, `Permute`, `Slice`, `Expand`, `Pad` and
`Concat` move codes of any dtype, and what the user keeps float stays a float operation, channels
first. The set is closed.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from intact.ir.float_ops import Activation, BodyOp, FloatOp, Pads
from intact.ir.graph import Graph
from intact.numerics.arrays import IntArray
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams

# --- between real numbers and codes ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quantize:
    """Real x to codes: clamp(round(x / scale) + zero_point), ties away from zero, as in TFLite."""

    params: QuantParams


@dataclass(frozen=True, slots=True)
class Dequantize:
    """Codes to real numbers; on a constant, the weights of a float operation."""

    params: QuantParams


@dataclass(frozen=True, slots=True)
class Requantize:
    """requant(x - input_zero_point): other scale, zero point or clamp for the same numbers."""

    input_zero_point: int
    requant: Requant


# --- linear algebra: requant(2**shift * sum (x - x_zero_point) * (w - w_zero_point) + bias) ----
#
# The shift, 0 for weights of 8 bits, gives the accumulator, and with it the bias, that many bits
# behind the binary point.

LATER = {"later": True}  # left out of files and texts where it has its default, as before it was


@dataclass(frozen=True, slots=True)
class QConv2d:
    """x (N, H, W, C), weight (O, kh, kw, C/groups), bias (O,): out (N, OH, OW, O).

    Taps in the padding contribute nothing. The weight's codes stand for integers through
    `code_integers` of its dtype.
    """

    stride: tuple[int, int]
    padding: Pads  # ((top, bottom), (left, right))
    dilation: tuple[int, int]
    groups: int
    input_zero_point: int
    weight_zero_point: tuple[int, ...] | None  # one for each output channel; None: symmetric
    requant: Requant
    weight_shift: int = field(default=0, metadata=LATER)


@dataclass(frozen=True, slots=True)
class QConvTranspose2d:
    """x (N, H, W, C), weight (O, kh, kw, C/groups), bias (O,): out (N, OH, OW, O).

    Input pixel (h, w) adds weight tap (i, j) to output (h * stride - pad_before + i * dilation).
    """

    stride: tuple[int, int]
    padding: Pads
    output_padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    input_zero_point: int
    weight_zero_point: tuple[int, ...] | None
    requant: Requant
    weight_shift: int = field(default=0, metadata=LATER)


@dataclass(frozen=True, slots=True)
class QLinear:
    """x (..., I), weight (O, I), bias (O,): out (..., O)."""

    input_zero_point: int
    weight_zero_point: tuple[int, ...] | None
    requant: Requant
    weight_shift: int = field(default=0, metadata=LATER)


@dataclass(frozen=True, slots=True)
class QMatMul:
    """a (..., M, K), b (..., K, N): out (..., M, N); leading axes broadcast."""

    a_zero_point: int
    b_zero_point: int
    requant: Requant


@dataclass(frozen=True, slots=True)
class QEmbedding:
    """Indices (...), weight (V, D): out[..., d] = requant_v(weight[v, d] - weight_zero_point[v]).

    `requant` and `weight_zero_point` have one entry for each row v, or a single one.
    """

    weight_zero_point: tuple[int, ...] | None
    requant: Requant


@dataclass(frozen=True, slots=True)
class DynamicConv2d:
    """As QConv2d from real x (N, H, W, C) to real out; one symmetric scale for each sample.

    scale_n = max|x_n| / qmax(activation); inputs x, weight, weight_scale (O,), bias (O,) real.
    """

    stride: tuple[int, int]
    padding: Pads
    dilation: tuple[int, int]
    groups: int
    activation: Int


@dataclass(frozen=True, slots=True)
class DynamicLinear:
    """As QLinear from real x (..., I) to real out; one symmetric scale for each row of x.

    Inputs x, weight (O, I), weight_scale (O,), bias (O,) real.
    """

    activation: Int


# --- arithmetic ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operand:
    """((x - zero_point) << left_shift) * multiplier * 2**(shift - 31): one side of QAdd."""

    zero_point: int
    multiplier: int
    shift: int


@dataclass(frozen=True, slots=True)
class QAdd:
    """requant(a' + b'), where a', b' are the operands rescaled to a common scale (TFLite ADD)."""

    a: Operand
    b: Operand
    left_shift: int  # 20 for up to 8-bit codes, 15 for 16
    requant: Requant


@dataclass(frozen=True, slots=True)
class QSub:
    """requant(a' - b'), otherwise as QAdd (TFLite SUB)."""

    a: Operand
    b: Operand
    left_shift: int
    requant: Requant


@dataclass(frozen=True, slots=True)
class QMul:
    """requant((a - a_zero_point) * (b - b_zero_point)), broadcasting."""

    a_zero_point: int
    b_zero_point: int
    requant: Requant


# --- activations -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """table[x - low], low = qmax + 1 - 2**bits, up to 8 bits. It is what `function` means here."""

    table: IntArray  # (2**bits,); a narrow format leaves entry 0 unused
    function: Activation

    def __eq__(self, other: object) -> bool:
        """Equal function and table."""
        return (
            isinstance(other, Lookup)
            and self.function == other.function
            and np.array_equal(self.table, other.table)
        )


@dataclass(frozen=True, slots=True, eq=False)
class InterpolatedLookup:
    """Linear interpolation between 513 entries; 9 to 16 bits (after TFLite's int16 LUTLookup).

    With u = x - low, k = bits - 9: base = table[u >> k], slope = table[(u >> k) + 1] - base;
    out = clamp(base + ((slope * (u & (2**k - 1)) + (2**k >> 1)) >> k)) to the output's format.
    """

    table: IntArray  # (513,), within +-2**23
    function: Activation

    def __eq__(self, other: object) -> bool:
        """Equal function and table."""
        return (
            isinstance(other, InterpolatedLookup)
            and self.function == other.function
            and np.array_equal(self.table, other.table)
        )


@dataclass(frozen=True, slots=True)
class QPrelu:
    """x (..., C), slope codes (C,) or (1,) (TFLite PRELU), v = x - input_zero_point.

    positive(v) where v >= 0, else negative(v * (slope - slope_zero_point)).
    """

    input_zero_point: int
    slope_zero_point: int
    positive: Requant
    negative: Requant


@dataclass(frozen=True, slots=True)
class QSoftmax:
    """Softmax over the last axis, at most 8 bits (TFLite SOFTMAX int8).

    Input differences from the row's maximum become Q5.26 by (multiplier, shift); those below
    `diff_min` count as zero. Output scale 2**-bits, zero point qmin.
    """

    multiplier: int
    shift: int
    diff_min: int


@dataclass(frozen=True, slots=True, eq=False)
class QSoftmax16:
    """Softmax over the last axis of 9- to 16-bit codes (TFLite SOFTMAX int16).

    (multiplier, shift) scale differences so that -65535 stands for -10. Output scale 2**(1-bits),
    zero point 0.
    """

    multiplier: int
    shift: int
    exp_table: IntArray  # (513,): exp on [-10, 0]
    reciprocal_table: IntArray  # (513,): 1 / (1 + x) on [0, 1]

    def __eq__(self, other: object) -> bool:
        """Equal numbers and tables."""
        return (
            isinstance(other, QSoftmax16)
            and (self.multiplier, self.shift) == (other.multiplier, other.shift)
            and np.array_equal(self.exp_table, other.exp_table)
            and np.array_equal(self.reciprocal_table, other.reciprocal_table)
        )


# --- normalization ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Normalization:
    """Integers of (x - mean) / sqrt(variance + eps) * gamma + beta (arithmetic.md, section 8)."""

    epsilon: int  # eps in units of n**2 * code**2, at least 1
    gain_sign: IntArray  # (C,): -1, 0 or 1
    gain: Requant  # |gamma| / scale_out: (C,) multipliers to 8 fractional bits, without clamp
    beta: IntArray  # (C,), 8 fractional bits
    zero_point: int
    qmin: int
    qmax: int

    def __eq__(self, other: object) -> bool:
        """Equal in every entry."""
        if not isinstance(other, Normalization):
            return NotImplemented
        scalars = ("epsilon", "gain", "zero_point", "qmin", "qmax")
        return (
            all(getattr(self, n) == getattr(other, n) for n in scalars)
            and np.array_equal(self.gain_sign, other.gain_sign)
            and np.array_equal(self.beta, other.beta)
        )


@dataclass(frozen=True, slots=True)
class QLayerNorm:
    """Normalizes the last `axes` axes of x together; C is their number of elements."""

    axes: int
    normalization: Normalization


@dataclass(frozen=True, slots=True)
class QGroupNorm:
    """x (N, ..., C): normalizes each sample's groups of C / groups channels over all space."""

    groups: int
    normalization: Normalization


# --- pooling and resizing: same scale and zero point in and out --------------------------------


@dataclass(frozen=True, slots=True)
class QMaxPool2d:
    """x (N, H, W, C): the largest code of each window; padding never wins."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Pads
    dilation: tuple[int, int]


@dataclass(frozen=True, slots=True)
class QAvgPool2d:
    """x (N, H, W, C): sum / count of each window, ties away from zero (TFLite AVERAGE_POOL_2D).

    Padding does not count; with count_include_pad, padding (but not overhang) counts as
    `zero_point`.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Pads
    count_include_pad: bool
    overhang: tuple[int, int]
    zero_point: int


@dataclass(frozen=True, slots=True)
class QAdaptiveAvgPool2d:
    """x (N, H, W, C): the mean of window floor(i*n/out) .. ceil((i+1)*n/out), rounded as above."""

    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class QMean:
    """requant(sum over `axes` of (x - input_zero_point)); requant holds the 1 / count."""

    axes: tuple[int, ...]
    keepdims: bool
    input_zero_point: int
    requant: Requant


@dataclass(frozen=True, slots=True)
class QResizeNearest2d:
    """x (N, H, W, C) to `size`: source index floor(i * in / out)."""

    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class QResizeBilinear2d:
    """x (N, H, W, C) to `size` with 10-bit weights (TFLite RESIZE_BILINEAR)."""

    size: tuple[int, int]
    align_corners: bool


QuantizedBodyOp: TypeAlias = (
    Quantize
    | Dequantize
    | Requantize
    | QConv2d
    | QConvTranspose2d
    | QLinear
    | QMatMul
    | QEmbedding
    | DynamicConv2d
    | DynamicLinear
    | QAdd
    | QSub
    | QMul
    | Lookup
    | InterpolatedLookup
    | QPrelu
    | QSoftmax
    | QSoftmax16
    | QLayerNorm
    | QGroupNorm
    | QMaxPool2d
    | QAvgPool2d
    | QAdaptiveAvgPool2d
    | QMean
    | QResizeNearest2d
    | QResizeBilinear2d
)
IntBodyOp: TypeAlias = QuantizedBodyOp | BodyOp


@dataclass(frozen=True, slots=True)
class QScan:
    """As `Scan`, on codes; constants that the body reads are among its inputs.

    A state comes out of a step with the format and the params with which it went in.
    """

    body: Graph[IntBodyOp]
    axis: int
    state: int
    reverse: bool


QuantizedOp: TypeAlias = QuantizedBodyOp | QScan
IntOp: TypeAlias = QuantizedOp | FloatOp
Program: TypeAlias = Graph[IntOp]
