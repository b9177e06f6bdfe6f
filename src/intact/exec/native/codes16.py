"""Vector kernels for layers of 16-bit codes and 8-bit weights; None where they do not apply."""

import numpy as np

from intact.exec.native import codes8
from intact.exec.native.building import Constants, requant
from intact.exec.native.library import native
from intact.exec.native.windows import window
from intact.ir import int_ops
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp


def conv2d(op: int_ops.QConv2d, node: Node[IntOp], constants: Constants) -> native.Op | None:
    """QConv2d."""
    return _layer(op, window(op), node, constants)


def linear(op: int_ops.QLinear, node: Node[IntOp], constants: Constants) -> native.Op | None:
    """QLinear: a convolution of a single tap."""
    pixel = native.Window((1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    return _layer(op, pixel, node, constants)


def _layer(
    op: int_ops.QConv2d | int_ops.QLinear,
    window: native.Window,
    node: Node[IntOp],
    constants: Constants,
) -> native.Op | None:
    x, _, bias = node.inputs
    wide = op.requant.accumulator_bits == 64 and op.input_zero_point == 0
    if not (wide and _is_int16(x) and _is_int16(node.output)):
        return None
    weight = codes8.narrow_weight(op, node, constants)
    if weight is None:
        return None
    if weight.ndim == 2:
        weight = weight[:, None, None]
    sums = constants.arrays[bias.name].astype(np.int64)
    return native.conv2d_16(window, weight, sums, requant(op.requant), constants.isa)


def _is_int16(value: Value) -> bool:
    return value.dtype.storage == np.int16
