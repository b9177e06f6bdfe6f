"""Layers from real to real numbers with integers in between (arithmetic.md, section 10)."""

import numpy as np

from intact.exec import exact
from intact.exec.convolution import Convolution
from intact.exec.exact import Kernel
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import F32, Array, Codes
from intact.numerics.formats import Int
from intact.numerics.integers import weight_integers
from intact.numerics.special import round_half_away


def row_scales(rows: F32, format: Int) -> F32:
    """max|x| / qmax of each row, float32; a row of zeros has scale 1: (R, 1)."""
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    scale = largest / np.float32(format.qmax)
    return np.where(scale == 0, np.float32(1), scale)  # NaN stays NaN


def _encode(rows: F32, scale: F32, format: Int) -> Array:
    with np.errstate(invalid="ignore"):  # infinity / infinity
        return np.clip(round_half_away(rows / scale), -format.qmax, format.qmax)


def _real(acc: Array, scale: F32, weight_scale: F32, bias: F32) -> F32:
    """Acc * (scale * weight_scale) + bias, each step in float32."""
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float32, 0 * infinity
        real = acc.astype(np.float32) * (scale * weight_scale)
    real += bias
    return real


def linear(
    op: int_ops.DynamicLinear, node: Node[IntOp], weight: Codes, weight_scale: F32, bias: F32
) -> Kernel:
    """DynamicLinear: x (..., I) to (..., O)."""
    integers = weight_integers(weight, node.inputs[1].dtype, None)
    channels = len(integers)
    matrix = integers.T.astype(exact.exact_dtype(exact.largest_sum(integers, op.activation.qmax)))

    def run(x: F32) -> F32:
        rows = x.reshape(-1, x.shape[-1])
        scale = row_scales(rows, op.activation)
        sums = np.empty((len(rows), channels), matrix.dtype)
        exact.multiply_rows(_encode(rows, scale, op.activation), matrix, _copy, sums)
        return _real(sums, scale, weight_scale, bias).reshape(*x.shape[:-1], channels)

    return run


def conv2d(
    op: int_ops.DynamicConv2d, node: Node[IntOp], weight: Codes, weight_scale: F32, bias: F32
) -> Kernel:
    """DynamicConv2d: x (N, H, W, C) to (N, OH, OW, O)."""
    integers = weight_integers(weight, node.inputs[1].dtype, None)
    rows = integers.reshape(len(integers), -1)
    dtype = exact.exact_dtype(exact.largest_sum(rows, op.activation.qmax))
    convolve = Convolution(op.stride, op.padding, op.dilation, op.groups, 0, integers.astype(dtype))

    def run(x: F32) -> F32:
        flat = x.reshape(len(x), -1)
        scale = row_scales(flat, op.activation)
        codes = _encode(flat, scale, op.activation).reshape(x.shape)
        sums = np.empty(convolve.output_shape(x), dtype)
        convolve(codes, _copy, sums)
        return _real(sums, scale[:, :, None, None], weight_scale, bias)

    return run


def _copy(acc: Array, out: Array) -> None:
    out[...] = acc.reshape(out.shape)
