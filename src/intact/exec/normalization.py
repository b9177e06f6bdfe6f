"""Integer layer and group normalization (arithmetic.md, section 8)."""

import math

import numpy as np

from intact.exec.exact import Kernel
from intact.ir import int_ops
from intact.ir.graph import Node, Shape
from intact.ir.int_ops import IntOp, Normalization
from intact.numerics.arrays import Codes, IntArray
from intact.numerics.fixedpoint import Int64Array, rounding_divide_by_pot, saturate32

_FRACTION = 20  # fractional bits of (x - mean) / deviation
_OUT_FRACTION = 8  # fractional bits of gain and beta


def integer_sqrt(x: Int64Array) -> Int64Array:
    """floor(sqrt(x)) for 0 <= x < 2**62."""
    root = np.sqrt(x.astype(np.float64)).astype(np.int64)  # off by at most one
    root -= root * root > x
    root += (root + 1) * (root + 1) <= x
    return root


def standardize(codes: Int64Array, epsilon: int) -> Int64Array:
    """(x - mean) / sqrt(variance + eps) over the last axis, int32 with 20 fractional bits.

    With n numbers q: X = n * sum q**2 - (sum q)**2 + epsilon = m * 4**k, m in [2**60, 2**62);
    inverse = 2**61 // floor(sqrt(m)); result = (n*q - sum q) * inverse / 2**(41 + k), ties up.
    """
    count = codes.shape[-1]
    total = codes.sum(axis=-1, keepdims=True)
    variance = count * np.square(codes).sum(axis=-1, keepdims=True) - total * total + epsilon
    length = _bit_length(variance)
    k = (length + (length & 1)) // 2 - 31
    inverse = (1 << 61) // integer_sqrt(variance << (-2 * k))
    shift = 61 - _FRACTION + k
    scaled = (count * codes - total) * inverse
    scaled += np.int64(1) << (shift - 1)
    return saturate32(scaled >> shift)


def _bit_length(x: Int64Array) -> Int64Array:
    """Number of bits of x, for 0 < x < 2**62."""
    length = np.frexp(x.astype(np.float64))[1].astype(np.int64)
    # The conversion may round up to the next power of two.
    return length - ((np.int64(1) << (length - 1)) > x)


def affine(x: Int64Array, op: Normalization) -> Int64Array:
    """Codes of gamma * x + beta; x (..., C) has 20 fractional bits."""
    scaled = saturate32(op.gain(x * op.gain_sign) + op.beta)
    codes = rounding_divide_by_pot(scaled, np.asarray(_OUT_FRACTION)) + op.zero_point
    return np.clip(codes, op.qmin, op.qmax)


def check_count(node: Node[IntOp], count: int) -> None:
    """Raises ValueError where sums of `count` codes could leave 62 bits."""
    bits = node.inputs[0].dtype.bits
    limit = 22 if bits <= 8 else 15
    if count > 1 << limit:
        raise ValueError(
            f'"{node.name}" normalizes {count} {bits}-bit codes together; at most 2**{limit} fit'
        )


def layer_norm(op: int_ops.QLayerNorm, node: Node[IntOp]) -> Kernel:
    """QLayerNorm: the last `axes` axes together."""
    shape: Shape = node.inputs[0].shape[-op.axes :]
    count = math.prod(shape)
    check_count(node, count)
    storage = node.output.dtype.storage

    def run(x: Codes) -> Codes:
        rows = x.reshape(-1, count).astype(np.int64)
        normal = standardize(rows, op.normalization.epsilon)
        return affine(normal, op.normalization).astype(storage).reshape(x.shape)

    return run


def group_norm(op: int_ops.QGroupNorm, node: Node[IntOp]) -> Kernel:
    """QGroupNorm: groups of channels over all space; channels last."""
    shape = node.inputs[0].shape
    check_count(node, math.prod(shape[1:]) // op.groups)
    storage, channels = node.output.dtype.storage, shape[-1]

    def run(x: Codes) -> Codes:
        split: IntArray = x.reshape(len(x), -1, op.groups, channels // op.groups)
        groups = split.transpose(0, 2, 1, 3).astype(np.int64)
        flat = groups.reshape(len(x), op.groups, -1)
        normal = standardize(flat, op.normalization.epsilon).reshape(groups.shape)
        pixels = normal.transpose(0, 2, 1, 3).reshape(x.shape)
        return affine(pixels, op.normalization).astype(storage)

    return run
