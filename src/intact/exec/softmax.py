"""Integer softmax over the last axis (arithmetic.md, section 7)."""

import numpy as np

from intact.exec import exact
from intact.exec.exact import Kernel
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics import gemmlowp
from intact.numerics.arrays import Codes
from intact.numerics.fixedpoint import (
    Int64Array,
    doubling_high_mul,
    multiply_by_quantized_multiplier,
    rounding_divide_by_pot,
)
from intact.numerics.tables import interpolate, softmax_exponentials

_SUM_BITS = 12  # integer bits of the sum of exponentials


def softmax(op: int_ops.QSoftmax, node: Node[IntOp]) -> Kernel:
    """QSoftmax (TFLite SOFTMAX int8): exponentials of all differences are computed once."""
    low, high = exact.code_range(node.inputs[0])
    out_low, out_high = exact.code_range(node.output)
    storage, bits = node.output.dtype.storage, node.output.dtype.bits
    exponentials = softmax_exponentials(op.multiplier, op.shift, op.diff_min, high - low)
    in_sum = rounding_divide_by_pot(exponentials, np.asarray(_SUM_BITS))

    def run(x: Codes) -> Codes:
        difference = x.max(axis=-1, keepdims=True).astype(np.int64) - x
        total = in_sum[difference].sum(axis=-1, keepdims=True)
        scale, bits_over_unit = gemmlowp.reciprocal(total, _SUM_BITS)
        product = doubling_high_mul(scale, exponentials[difference])
        codes = rounding_divide_by_pot(product, bits_over_unit + 31 - bits) + out_low
        return np.clip(codes, out_low, out_high).astype(storage)

    return run


def softmax16(op: int_ops.QSoftmax16, node: Node[IntOp]) -> Kernel:
    """QSoftmax16 (TFLite SOFTMAX int16): exponential and reciprocal from tables."""
    storage, bits = node.output.dtype.storage, node.output.dtype.bits
    multiplier, shift = np.asarray(op.multiplier), np.asarray(op.shift)

    def run(x: Codes) -> Codes:
        difference = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
        scaled = multiply_by_quantized_multiplier(difference, multiplier, shift)
        exponentials = _lookup(op.exp_table, scaled + 32767)
        total = exponentials.sum(axis=-1, keepdims=True)
        headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
        shifted = ((total << (headroom - 1)) + (1 << 13)) >> 14
        reciprocal = _lookup(op.reciprocal_table, shifted - ((1 << 15) + (1 << 16)))
        right = 31 - headroom + (16 - bits)
        codes = (exponentials * reciprocal + (np.int64(1) << (right - 1))) >> right
        out: Codes = np.clip(codes, 0, (1 << (bits - 1)) - 1).astype(storage)
        return out

    return run


def _lookup(table: np.ndarray, x: Int64Array) -> Int64Array:
    """TFLite's LUTLookup of a number saturated to int16."""
    return interpolate(table, np.clip(x, -32768, 32767) + 32768, bits=7)
