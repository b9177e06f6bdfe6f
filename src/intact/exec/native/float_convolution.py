"""Native convolutions of real numbers, channels first."""

import numpy as np

from intact.exec.native.building import Built, Constants, given, pair
from intact.exec.native.library import native
from intact.ir import float_ops as ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import Array


def conv(op: ops.Conv, node: Node[IntOp], constants: Constants) -> Built:
    """Conv.

    Raises:
        UnsupportedOpError: if there are more than two space axes, or the weight is computed.
    """
    x, weight, *bias = node.inputs
    codes = given(weight, node, constants)
    made = native.float_conv(
        pair(codes.shape[2:], node, missing=1),
        pair(op.stride, node, missing=1),
        pair([before for before, _ in op.padding], node, missing=0),
        pair(op.dilation, node, missing=1),
        (1, 1),
        op.groups,
        _matrix(codes),
        constants.isa,
    )
    return Built(made, (x, *bias))


def conv_transpose(op: ops.ConvTranspose, node: Node[IntOp], constants: Constants) -> Built:
    """ConvTranspose: the flipped weight over x with `stride - 1` zeros between its pixels.

    Raises:
        UnsupportedOpError: if there are more than two space axes, or the weight is computed.
    """
    x, weight, *bias = node.inputs
    codes = given(weight, node, constants)
    kernel = codes.shape[2:]
    grouped = codes.reshape(op.groups, -1, *codes.shape[1:]).swapaxes(1, 2)
    flipped = np.flip(grouped, axis=tuple(range(3, grouped.ndim)))
    before = [
        (k - 1) * dilation - pad
        for k, dilation, (pad, _) in zip(kernel, op.dilation, op.padding, strict=True)
    ]
    made = native.float_conv(
        pair(kernel, node, missing=1),
        (1, 1),
        pair(before, node, missing=0),
        pair(op.dilation, node, missing=1),
        pair(op.stride, node, missing=1),
        op.groups,
        _matrix(flipped.reshape(-1, *flipped.shape[2:])),
        constants.isa,
    )
    return Built(made, (x, *bias))


def _matrix(weight: Array) -> Array:
    """(O, C/groups, *kernel) as a matrix of O rows."""
    return np.ascontiguousarray(weight.reshape(len(weight), -1), np.float32)
