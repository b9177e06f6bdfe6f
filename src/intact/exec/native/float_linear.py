"""Native matrix products of real numbers, with real or integer weights."""

import numpy as np

from intact.exec.native.building import Built, Constants, built, given
from intact.exec.native.library import native
from intact.ir import float_ops as ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import Array
from intact.numerics.granularity import stretch
from intact.numerics.qtensor import ScaledTensor

_GROUP = 32  # codes that share a scale in the kernels' layout
_SMALLEST_SCALE = 2.0**-90  # the kernels multiply codes by up to 2**28 and divide scales by it


def linear(op: ops.Linear, node: Node[IntOp], constants: Constants) -> Built:
    """Linear.

    Raises:
        UnsupportedOpError: if the weight is computed.
    """
    del op
    x, weight, *bias = node.inputs
    if weight.name in constants.packed:
        made = _packed_linear(constants.packed[weight.name], constants.isa)
    else:
        made = native.float_linear(_float32(given(weight, node, constants)), constants.isa)
    return Built(made, (x, *bias))


def matmul(op: ops.MatMul, node: Node[IntOp], constants: Constants) -> Built:
    """MatMul."""
    del op
    return built(native.float_matmul(constants.isa), node, 2)


def embedding(op: ops.Embedding, node: Node[IntOp], constants: Constants) -> Built:
    """Embedding."""
    del op, constants
    return built(native.rows(), node, 2)


def _packed_linear(weight: ScaledTensor, isa: native.Isa) -> native.Op:
    """Codes where they fit a layout of the kernels, real numbers otherwise."""
    integers = weight.codes.astype(np.int16)
    if weight.params.zero_point is not None:
        integers = integers - stretch(weight.params.offset, weight.shape).astype(np.int16)
    scales = _scales(weight)
    low, high = int(integers.min(initial=0)), int(integers.max(initial=0))
    if scales is None or low < -128 or high > 127:
        return native.float_linear(_float32(weight.dequantize()), isa)
    bits = 4 if low >= -8 and high <= 7 else 8
    codes = np.ascontiguousarray(integers, np.int8)
    return native.weight_only_linear(codes, bits, scales, isa)


def _scales(weight: ScaledTensor) -> Array | None:
    """(outputs, 1), or (outputs, inputs / 32); None if groups are not whole 32 inputs."""
    outputs, inputs = weight.shape
    scale = weight.params.scale
    if scale.ndim == 0:
        scale = scale.reshape(1, 1)
    if scale.size and float(scale.min()) < _SMALLEST_SCALE:
        return None
    groups = scale.shape[1]
    if groups > 1:
        if inputs % (groups * _GROUP):
            return None
        scale = np.repeat(scale, inputs // (groups * _GROUP), axis=1)
    return _float32(np.repeat(scale, outputs // len(scale), axis=0))


def _float32(array: Array) -> Array:
    return np.ascontiguousarray(array, np.float32)
