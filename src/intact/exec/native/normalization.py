"""Native softmax and normalization."""

import numpy as np

from intact.exec.exact import code_range
from intact.exec.native.building import Built, Constants, built, dtype, int32, requant
from intact.exec.native.library import native
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp


def softmax(op: int_ops.QSoftmax, node: Node[IntOp], constants: Constants) -> Built:
    """QSoftmax."""
    out = node.output
    numbers = op.multiplier, op.shift, op.diff_min, out.dtype.bits, code_range(out)
    return built(native.softmax(*numbers, constants.isa), node)


def softmax16(op: int_ops.QSoftmax16, node: Node[IntOp], constants: Constants) -> Built:
    """QSoftmax16."""
    del constants
    tables = int32(op.exp_table), int32(op.reciprocal_table)
    return built(native.softmax16(op.multiplier, op.shift, *tables, node.output.dtype.bits), node)


def layer_norm(op: int_ops.QLayerNorm, node: Node[IntOp], constants: Constants) -> Built:
    """QLayerNorm."""
    numbers = _numbers(op.normalization)
    return built(native.layer_norm(op.axes, numbers, *_types(node), constants.isa), node)


def group_norm(op: int_ops.QGroupNorm, node: Node[IntOp], constants: Constants) -> Built:
    """QGroupNorm."""
    numbers = _numbers(op.normalization)
    return built(native.group_norm(op.groups, numbers, *_types(node), constants.isa), node)


def _types(node: Node[IntOp]) -> tuple[native.DType, native.DType]:
    """Of the codes that are read and written."""
    return dtype(node.inputs[0].dtype), dtype(node.output.dtype)


def _numbers(numbers: int_ops.Normalization) -> native.Normalization:
    return native.Normalization(
        numbers.epsilon,
        np.ascontiguousarray(numbers.gain_sign, np.int8),
        requant(numbers.gain),
        int32(numbers.beta),
        numbers.zero_point,
        (numbers.qmin, numbers.qmax),
    )
