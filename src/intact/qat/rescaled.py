"""A weight of codes times a real factor for each output channel: the codes stay, the scales change.

Where the factor is negative the grid is mirrored: real = s (q - z) of integers becomes

    -real = s (q' - z'),    q' = qmin + qmax - q,    z' = qmin + qmax - z,

and of other formats, whose values are symmetric, the code of -value. Where the factor is 0 the
weights are 0; a format without a 0 keeps its codes with the smallest scale, and lowering sees that
such a channel cannot change an output.

A codebook of single numbers gets an entry for each output channel that uses one.
"""

from typing import assert_never, overload

import numpy as np

from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.numerics.arrays import F64, Array, Codes, IntArray
from intact.numerics.formats import Binary, Float, Format, Int, MidRise, PowerOfTwo, Ternary
from intact.numerics.granularity import stretch
from intact.numerics.qtensor import CodebookTensor, QTensor, QuantParams, ScaledTensor
from intact.observers.params import SMALLEST_SCALE
from intact.passes.fold_batchnorm import along_outputs


@overload
def rescaled(weight: ScaledTensor, op: FloatOp, factor: F64) -> ScaledTensor: ...
@overload
def rescaled(weight: QTensor, op: FloatOp, factor: F64) -> QTensor: ...
def rescaled(weight: QTensor, op: FloatOp, factor: F64) -> QTensor:
    """The layer's codes with the real numbers multiplied by a factor for each output channel.

    Raises:
        UnsupportedOpError: if scales for each channel do not exist, or a codebook has vectors.
    """
    match weight:
        case ScaledTensor():
            return _scaled(weight, op, factor)
        case CodebookTensor():
            return _codebook(weight, op, factor)
        case _:
            assert_never(weight)


def _scaled(weight: ScaledTensor, op: FloatOp, factor: F64) -> ScaledTensor:
    params, format = weight.params, weight.params.format
    by_output = _by_scale(op, factor, weight.shape)
    scale = params.scale * np.abs(by_output)
    offset = np.broadcast_to(params.offset, scale.shape)
    negative = np.broadcast_to(by_output < 0, scale.shape)
    dead = scale == 0
    codes = _mirrored(weight.codes, format, stretch(negative, weight.shape))
    if isinstance(format, Int):
        offset = np.where(negative, format.qmin + format.qmax - offset, offset)
    codes = _emptied(codes, format, offset, stretch(dead, weight.shape))
    small = SMALLEST_SCALE if isinstance(format, Binary | MidRise) else 1.0
    made = QuantParams(format, np.where(dead, small, scale), offset if offset.any() else None)
    return ScaledTensor(codes.astype(format.storage), made)


def _codebook(weight: CodebookTensor, op: FloatOp, factor: F64) -> CodebookTensor:
    if weight.codebook.shape[1] > 1 or isinstance(op, ops.ConvTranspose):
        raise UnsupportedOpError(
            "a BatchNorm can be folded into a codebook of single numbers only, and not of a"
            " transposed convolution: give the layer another quantizer"
        )
    outputs, count = weight.shape[0], len(weight.codebook)
    channels = np.arange(outputs).repeat(weight.assignments.size // outputs)
    pairs, assignments = np.unique(weight.assignments + channels * count, return_inverse=True)
    numbers = weight.codebook[pairs % count, 0] * factor[pairs // count]
    return CodebookTensor(numbers.astype(np.float32)[:, None], assignments, weight.shape)


def _by_scale(op: FloatOp, factor: F64, shape: tuple[int, ...]) -> F64:
    by_output = along_outputs(op, factor, shape)
    if not isinstance(op, ops.ConvTranspose):
        return by_output
    if op.groups > 1:
        raise UnsupportedOpError(
            "a BatchNorm cannot be folded into a trained transposed convolution of several"
            " groups: keep the layer float"
        )
    return by_output[:1]


def _mirrored(codes: Codes, format: Format, where: Array) -> Codes:
    """The codes of the negative values at some places; of integers up to the zero point."""
    match format:
        case Int():
            turned: Codes = format.qmin + format.qmax - codes
        case Binary():
            turned = 1 - codes
        case MidRise():
            turned = format.largest - codes
        case Ternary() | PowerOfTwo() | Float():
            turned = -codes
        case _:
            assert_never(format)
    return np.where(where, turned, codes)


def _emptied(codes: Codes, format: Format, offset: IntArray, where: Array) -> Codes:
    """The codes of 0 at some places; Binary and MidRise have none."""
    match format:
        case Int():
            return np.where(where, stretch(offset, codes.shape), codes)
        case Ternary() | PowerOfTwo() | Float():
            return np.where(where, np.zeros_like(codes), codes)
        case Binary() | MidRise():
            return codes
        case _:
            assert_never(format)
