"""Integer operations on single elements (arithmetic.md, eq. 3, 4, 23 to 26 and section 6).

A function of one code of up to 16 bits is a table over all codes, made by the defining arithmetic.
"""

from collections.abc import Callable

import numpy as np

from intact.exec import exact
from intact.exec.exact import Kernel
from intact.exec.requantize import requantizer
from intact.ir import int_ops
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp, Operand
from intact.numerics.arrays import F32, Codes, IntArray
from intact.numerics.fixedpoint import Int64Array, Requant, multiply_by_quantized_multiplier
from intact.numerics.formats import Int
from intact.numerics.granularity import stretch
from intact.numerics.special import round_half_away
from intact.numerics.tables import interpolate

_BLOCK = 1 << 15  # elements of one block: its temporaries stay in the L2 cache


def quantize(op: int_ops.Quantize, node: Node[IntOp]) -> Kernel:
    """Quantize: a NaN becomes the zero point."""
    params, storage = op.params, node.output.dtype.storage
    format = params.format
    if not isinstance(format, Int):
        raise ValueError(f'"{node.name}": Quantize makes integer codes, not {format}')

    def run(x: F32) -> Codes:
        zero_point = stretch(params.offset, x.shape).astype(np.float32)
        with np.errstate(over="ignore"):  # infinity saturates
            rounded = round_half_away(x / stretch(params.scale, x.shape))
        clipped = np.clip(rounded, format.qmin - zero_point, format.qmax - zero_point)
        clipped[np.isnan(clipped)] = 0
        return (clipped + zero_point).astype(storage)

    return run


def dequantize(op: int_ops.Dequantize, node: Node[IntOp]) -> Kernel:
    """Dequantize: scale * (value - zero_point) in float32."""
    del node
    return op.params.dequantize


def code_table(value: Value, f: Callable[[Int64Array], IntArray]) -> IntArray:
    """F of every code of the value, in increasing order."""
    low, high = exact.code_range(value)
    return f(np.arange(low, high + 1))


def gather(table: IntArray, lowest: int, x: Codes) -> IntArray:
    """table[x - lowest], block by block."""
    out = np.empty(x.shape, table.dtype)
    source, target = x.reshape(-1), out.reshape(-1)
    for start in range(0, source.size, _BLOCK):
        index = source[start : start + _BLOCK].astype(np.intp)
        index -= lowest
        np.take(table, index, out=target[start : start + _BLOCK], mode="clip")
    return out


def _by_table(node: Node[IntOp], f: Callable[[Int64Array], IntArray]) -> Kernel:
    lowest, _ = exact.code_range(node.inputs[0])
    table = code_table(node.inputs[0], f).astype(node.output.dtype.storage)
    return lambda x: gather(table, lowest, x)


def requantize(op: int_ops.Requantize, node: Node[IntOp]) -> Kernel:
    """Requantize: per tensor a table; per channel the arithmetic."""
    requant, storage = op.requant, node.output.dtype.storage
    if max(requant.multiplier.size, requant.qmin.size) == 1:
        return _by_table(node, lambda codes: requant(codes - op.input_zero_point))
    channels = node.inputs[0].shape[-1]
    finish = requantizer(requant, channels, np.array([-op.input_zero_point]))

    def run(x: Codes) -> Codes:
        out = np.empty(x.shape, storage)
        finish(np.ascontiguousarray(x), out)
        return out

    return run


def _operand_table(operand: Operand, value: Value, left_shift: int) -> IntArray:
    """The operand of every code, on the common scale (eq. 23)."""

    def rescaled(codes: Int64Array) -> Int64Array:
        shifted = (codes - operand.zero_point) << left_shift
        multiplier, shift = np.asarray(operand.multiplier), np.asarray(operand.shift)
        return multiply_by_quantized_multiplier(shifted, multiplier, shift)

    return code_table(value, rescaled).astype(np.int32)


def add(op: int_ops.QAdd, node: Node[IntOp]) -> Kernel:
    """QAdd (TFLite ADD)."""
    return _sum(op, node, np.add)


def sub(op: int_ops.QSub, node: Node[IntOp]) -> Kernel:
    """QSub (TFLite SUB)."""
    return _sum(op, node, np.subtract)


def _sum(op: int_ops.QAdd | int_ops.QSub, node: Node[IntOp], combine: np.ufunc) -> Kernel:
    a_value, b_value = node.inputs
    a_table = _operand_table(op.a, a_value, op.left_shift)
    b_table = _operand_table(op.b, b_value, op.left_shift)
    a_low, b_low = exact.code_range(a_value)[0], exact.code_range(b_value)[0]

    def accumulate(a: Codes, b: Codes) -> IntArray:
        first, second = gather(a_table, a_low, a), gather(b_table, b_low, b)
        return np.asarray(combine(first, second, dtype=np.int64))

    return _binary(accumulate, op.requant, node)


def mul(op: int_ops.QMul, node: Node[IntOp]) -> Kernel:
    """QMul."""

    def accumulate(a: Codes, b: Codes) -> IntArray:
        first = a.astype(np.int64) - op.a_zero_point
        second = b.astype(np.int64) - op.b_zero_point
        return np.asarray(first * second)

    return _binary(accumulate, op.requant, node)


def _binary(
    accumulate: Callable[[Codes, Codes], IntArray], requant: Requant, node: Node[IntOp]
) -> Kernel:
    """Requantizes accumulate(a, b), sample by sample where both have the same samples."""
    storage = node.output.dtype.storage
    channels = node.output.shape[-1] if node.output.shape else 1
    finish = requantizer(requant, max(channels, 1), np.zeros(1, np.int64))

    def run(a: Codes, b: Codes) -> Codes:
        out = np.empty(np.broadcast_shapes(a.shape, b.shape), storage)
        if a.ndim == b.ndim > 1 and len(a) == len(b):
            for left, right, target in zip(a, b, out, strict=True):
                finish(accumulate(left, right), target)
        else:
            finish(accumulate(a, b), out)
        return out

    return run


def _lowest(node: Node[IntOp]) -> int:
    """The code of a table's first entry: a narrow format leaves it unused."""
    _, highest = exact.code_range(node.inputs[0])
    return highest + 1 - (1 << node.inputs[0].dtype.bits)


def lookup(op: int_ops.Lookup, node: Node[IntOp]) -> Kernel:
    """Lookup: the table itself."""
    lowest = _lowest(node)
    table = op.table.astype(node.output.dtype.storage)
    return lambda x: gather(table, lowest, x)


def interpolated_lookup(op: int_ops.InterpolatedLookup, node: Node[IntOp]) -> Kernel:
    """InterpolatedLookup."""
    lowest, bits = _lowest(node), node.inputs[0].dtype.bits
    low, high = exact.code_range(node.output)

    def entry(codes: Int64Array) -> Int64Array:
        return np.clip(interpolate(op.table, codes - lowest, bits - 9), low, high)

    return _by_table(node, entry)


def prelu(op: int_ops.QPrelu, node: Node[IntOp], slope: Codes) -> Kernel:
    """QPrelu (TFLite PRELU)."""
    storage = node.output.dtype.storage
    factor = slope.astype(np.int64) - op.slope_zero_point

    def run(x: Codes) -> Codes:
        centred = x.astype(np.int64) - op.input_zero_point
        negative = op.negative(centred * factor)
        return np.where(centred >= 0, op.positive(centred), negative).astype(storage)

    return run
