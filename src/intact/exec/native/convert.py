"""Native conversions between real numbers and codes, and between codes."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from intact.errors import UnsupportedOpError
from intact.exec.native.building import Built, Constants, built, dtype, int32, requant
from intact.exec.native.library import native
from intact.ir import int_ops
from intact.ir.graph import Node, Shape, Value
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import Array
from intact.numerics.formats import Int
from intact.numerics.granularity import stretch
from intact.numerics.qtensor import QuantParams

_MOST_SCALES = 1 << 24  # entries of a native table, however few the file has


def quantize(op: int_ops.Quantize, node: Node[IntOp], constants: Constants) -> Built:
    """Quantize."""
    format = _integer_format(node, node.output)
    entries = _entries(op.params, node)
    return built(native.quantize(*entries, format.qmin, format.qmax, constants.isa), node)


def dequantize(op: int_ops.Dequantize, node: Node[IntOp], constants: Constants) -> Built:
    """Dequantize."""
    _integer_format(node, node.inputs[0])
    return built(native.dequantize(*_entries(op.params, node), constants.isa), node)


def requantize(op: int_ops.Requantize, node: Node[IntOp], constants: Constants) -> Built:
    """Requantize: a table where that has one for all channels of 8 bits."""
    format = _integer_format(node, node.inputs[0])
    if format.bits > 8 or max(op.requant.multiplier.size, op.requant.qmin.size) > 1:
        made = native.requantize(op.input_zero_point, requant(op.requant), constants.isa)
        return built(made, node)
    codes = np.arange(format.qmin, format.qmax + 1)
    table = int32(op.requant(codes - op.input_zero_point))
    return built(native.lookup(format.qmin, table, dtype(node.output.dtype), constants.isa), node)


def _integer_format(node: Node[IntOp], value: Value) -> Int:
    if isinstance(value.dtype, Int) and value.dtype.bits <= 32:
        return value.dtype
    raise UnsupportedOpError(
        f'{type(node.op).__name__} at "{node.name}" has no native form for codes of'
        f' {value.dtype}; use executor="reference"'
    )


def _entries(
    params: QuantParams, node: Node[IntOp]
) -> tuple[NDArray[np.float32], NDArray[np.int32], int]:
    """Scales and zero points, row-major along the axes that have several, and the axes behind."""
    shape = node.output.shape
    several = [axis for axis, size in enumerate(params.scale.shape) if size > 1]
    if not several:
        return params.scale.reshape(1), int32(params.offset.reshape(1)), 0
    first, last = several[0], several[-1] + 1
    if min(shape[first:last]) < 0:
        raise UnsupportedOpError(
            f'{type(node.op).__name__} at "{node.name}" has no native form for scales on both'
            ' sides of the batch axis; use executor="reference"'
        )
    if prod(shape[first:last]) > _MOST_SCALES:
        raise UnsupportedOpError(
            f'{type(node.op).__name__} at "{node.name}" has no native form for scales that'
            f' alternate over {prod(shape[first:last])} elements; use executor="reference"'
        )
    scale = _spread(params.scale, shape, first, last)
    return scale, int32(_spread(params.offset, shape, first, last)), len(shape) - last


def _spread(entries: Array, shape: Shape, first: int, last: int) -> Array:
    """An entry for each element of the axes first..last - 1; there is one for the others."""
    stretched = stretch(entries, shape)
    along = stretched.reshape(stretched.shape[first:last])
    return np.ascontiguousarray(np.broadcast_to(along, shape[first:last])).reshape(-1)
