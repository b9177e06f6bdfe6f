"""Which dtypes each operation takes, and which attributes fit its inputs and output.

Shapes have been checked by `shapes` before. Every function raises ValueError with the broken rule.
"""

import math
from collections.abc import Mapping, Sequence
from typing import assert_never

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.attributes import (
    check_accumulator,
    check_all,
    check_fixed_point,
    check_params,
    check_range,
    check_real,
    check_requant,
    check_same_dtype,
    check_size,
    codes,
    last_axis,
    operand_reach,
    reach,
)
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Value
from intact.ir.int_ops import IntOp
from intact.ir.layer_rules import check_dynamic, check_embedding, check_indices, check_layer
from intact.ir.normalization_rules import check_normalization
from intact.ir.packing import code_range
from intact.ir.scans import check_scan
from intact.numerics.arrays import Array, IntArray
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN
from intact.numerics.formats import FP32, Float, Int
from intact.numerics.tables import INTERPOLATED_LIMIT

INT16_MAX = (1 << 15) - 1
MAX_ROW = (1 << 13) - 1  # exponentials of at most 2**19 are summed in 32 bits
MAX_ROW16 = 1 << 16  # of at most 2**15 - 1

MovesCodes = (
    ops.Reshape, ops.Permute, ops.Slice, ops.Expand, ops.Pad, ops.Concat, ops.Dropout,
    ops.ResizeNearest,
)  # fmt: skip
KeepsCodes = (
    int_ops.QMaxPool2d, int_ops.QAvgPool2d, int_ops.QAdaptiveAvgPool2d,
    int_ops.QResizeNearest2d, int_ops.QResizeBilinear2d,
)  # fmt: skip
Layer = (int_ops.QConv2d, int_ops.QConvTranspose2d, int_ops.QLinear)
Dynamic = (int_ops.DynamicConv2d, int_ops.DynamicLinear)
Converts = (int_ops.Quantize, int_ops.Dequantize, int_ops.Requantize)
Arithmetic = (int_ops.QAdd, int_ops.QSub, int_ops.QMul, int_ops.QMatMul, int_ops.QMean)
Tabulated = (
    int_ops.Lookup, int_ops.InterpolatedLookup, int_ops.QSoftmax, int_ops.QSoftmax16,
)  # fmt: skip


def check_op(
    op: IntOp, inputs: Sequence[Value], output: Value, constants: Mapping[str, Array]
) -> None:
    """Dtypes and attributes of one operation whose shapes fit.

    Raises:
        ValueError: says which rule is broken.
    """
    if isinstance(op, Layer):
        check_layer(op, inputs, output, constants)
    elif isinstance(op, Dynamic):
        check_dynamic(op, inputs, output, constants)
    elif isinstance(op, int_ops.QEmbedding):
        check_embedding(op, inputs, output, constants)
    elif isinstance(op, Converts):
        _check_conversion(op, inputs[0], output)
    elif isinstance(op, Arithmetic):
        _check_arithmetic(op, inputs, output)
    elif isinstance(op, Tabulated):
        _check_table(op, inputs[0], output)
    elif isinstance(op, int_ops.QPrelu):
        _check_prelu(op, inputs, output)
    elif isinstance(op, int_ops.QLayerNorm | int_ops.QGroupNorm):
        check_normalization(op, inputs[0], output)
    elif isinstance(op, KeepsCodes):
        _check_pool(op, inputs[0], output)
    else:
        _check_other(op, inputs, output, constants)


def _check_other(
    op: FloatOp | int_ops.QScan,
    inputs: Sequence[Value],
    output: Value,
    constants: Mapping[str, Array],
) -> None:
    if isinstance(op, ops.Scan | int_ops.QScan):
        check_scan(op, inputs, output)
    else:
        _check_float(op, inputs, output, constants)


# --- float operations ------------------------------------------------------------------------


def _check_float(
    op: ops.BodyOp, inputs: Sequence[Value], output: Value, constants: Mapping[str, Array]
) -> None:
    match op:
        case ops.Add() | ops.Sub() | ops.Mul():
            _check_sum(op, inputs, output)
        case ops.Embedding():
            indices, weight = inputs
            check_indices(indices, weight.shape[0], constants)
            check_same_dtype(weight, output)
        case _ if isinstance(op, MovesCodes):
            check_same_dtype(*inputs, output)
            if isinstance(op, ops.Pad):
                _check_pad_value(op, inputs[0])
        case _:
            check_real(*inputs, output)


def _check_sum(op: FloatOp, inputs: Sequence[Value], output: Value) -> None:
    """Real numbers, integers, or real numbers and masks of integers that float32 holds."""
    if not any(value.dtype == FP32 for value in inputs):
        check_same_dtype(*inputs, output)
        _check_wraps(op, output)
        return
    check_real(output)
    for value in inputs:
        if value.dtype != FP32:
            codes(value, 1, 16)


def _check_wraps(op: FloatOp, output: Value) -> None:
    """Integers that overflow must wrap to codes of their format, or tables are read outside."""
    format = codes(output, 1, 64)
    whole = format.bits == 8 * format.storage.itemsize and not format.narrow
    if not whole and not (format.bits == 1 and isinstance(op, ops.Mul)):
        raise ValueError(f"integers of {format} may overflow; use 8, 16, 32 or 64 bits")


def _check_pad_value(op: ops.Pad, x: Value) -> None:
    if isinstance(x.dtype, Float) or op.mode is not ops.PadMode.CONSTANT:
        return
    low, high = code_range(x.dtype) or (0, 0)
    if op.value != int(op.value):
        raise ValueError(f"value {op.value} is not a code of {x.dtype}")
    check_range("value", int(op.value), low, high)


# --- between real numbers and codes ----------------------------------------------------------


def _check_conversion(
    op: int_ops.Quantize | int_ops.Dequantize | int_ops.Requantize, x: Value, output: Value
) -> None:
    match op:
        case int_ops.Quantize(params):
            check_real(x)
            codes(output)
            coded = output
        case int_ops.Dequantize(params):
            check_real(output)
            coded = x
        case int_ops.Requantize(input_zero_point, requant):
            reached = reach(codes(x), input_zero_point)
            check_accumulator(reached, requant)
            codes(output)
            check_requant(requant, last_axis(output.shape), output.dtype)
            return
        case _:
            assert_never(op)
    check_params(params, coded.shape, coded.dtype)
    if coded.params is not None and coded.params != params:
        raise ValueError(f'its params are not those of "{coded.name}"')


# --- arithmetic ------------------------------------------------------------------------------


def _check_arithmetic(
    op: int_ops.QAdd | int_ops.QSub | int_ops.QMul | int_ops.QMatMul | int_ops.QMean,
    inputs: Sequence[Value],
    output: Value,
) -> None:
    formats = [codes(value) for value in inputs]
    codes(output)
    match op:
        case int_ops.QAdd(a, b, left_shift) | int_ops.QSub(a, b, left_shift):
            largest = sum(
                operand_reach(operand, left_shift, format, name)
                for operand, format, name in zip((a, b), formats, ("a", "b"), strict=True)
            )
        case int_ops.QMul(a_zero_point, b_zero_point):
            largest = _product(formats, a_zero_point, b_zero_point)
        case int_ops.QMatMul(a_zero_point, b_zero_point):
            depth = inputs[0].shape[-1]
            if depth < 1:
                raise ValueError("the summed axis depends on the batch size")
            largest = depth * _product(formats, a_zero_point, b_zero_point)
        case int_ops.QMean(axes, _, input_zero_point):
            largest = reach(formats[0], input_zero_point)
            for axis in axes:
                largest *= inputs[0].shape[axis]
        case _:
            assert_never(op)
    check_accumulator(largest, op.requant)
    check_requant(op.requant, last_axis(output.shape), output.dtype)


def _product(formats: Sequence[Int], a_zero_point: int, b_zero_point: int) -> int:
    a, b = formats
    return reach(a, a_zero_point, "a_zero_point") * reach(b, b_zero_point, "b_zero_point")


# --- activations, pooling --------------------------------------------------------------------


def _check_table(
    op: int_ops.Lookup | int_ops.InterpolatedLookup | int_ops.QSoftmax | int_ops.QSoftmax16,
    x: Value,
    output: Value,
) -> None:
    match op:
        case int_ops.Lookup(table):
            entries, out = 1 << codes(x, 1, 8).bits, codes(output)
            _check_entries("table", table, entries, (out.qmin, out.qmax))
        case int_ops.InterpolatedLookup(table):
            codes(x, 9)
            codes(output)
            _check_entries("table", table, 513, (-INTERPOLATED_LIMIT, INTERPOLATED_LIMIT))
        case int_ops.QSoftmax(multiplier, shift, diff_min):
            codes(x, 1, 8)
            codes(output, 1, 8)
            check_fixed_point(multiplier, shift)
            check_range("diff_min", diff_min, INT32_MIN, 0)
            check_range("length of a row", x.shape[-1], 1, MAX_ROW)
        case int_ops.QSoftmax16():
            _check_softmax16(op, x, output)
        case _:
            assert_never(op)


def _check_softmax16(op: int_ops.QSoftmax16, x: Value, output: Value) -> None:
    codes(x, 9)
    codes(output, 9)
    check_fixed_point(op.multiplier, op.shift)
    check_range("length of a row", x.shape[-1], 1, MAX_ROW16)
    _check_entries("exp_table", op.exp_table, 513, (0, INT16_MAX))
    # exp(0) is about 1: a sum below 1/2 would ask for a shift by a negative number of bits.
    check_all("end of exp_table", op.exp_table[-2:], 1 << 14, INT16_MAX)
    _check_entries("reciprocal_table", op.reciprocal_table, 513, (-1 - INT16_MAX, INT16_MAX))


def _check_entries(name: str, table: IntArray, size: int, limits: tuple[int, int]) -> None:
    check_size(name, table, (size,))
    check_all(name, table, *limits)


def _check_prelu(op: int_ops.QPrelu, inputs: Sequence[Value], output: Value) -> None:
    x, slope = inputs
    positive = reach(codes(x), op.input_zero_point)
    negative = positive * reach(codes(slope), op.slope_zero_point, "slope_zero_point")
    check_accumulator(positive, op.positive)
    check_accumulator(negative, op.negative)
    codes(output)
    for requant in (op.positive, op.negative):
        check_requant(requant, last_axis(output.shape), output.dtype)


def _check_pool(op: IntOp, x: Value, output: Value) -> None:
    check_same_dtype(x, output)
    format = codes(x)
    if isinstance(op, int_ops.QAvgPool2d):
        check_range("zero_point", op.zero_point, format.qmin, format.qmax)
        # Half of the count is added before the division.
        largest = math.prod(op.kernel) * (reach(format, 0 if format.signed else format.qmin) + 1)
        check_range("the largest sum of a window", largest, 0, INT32_MAX)
