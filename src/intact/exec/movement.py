"""Operations that move or select elements: any dtype, codes as well as real numbers."""

from typing import Literal

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.graph import with_batch
from intact.numerics.arrays import Array, IntArray

_NUMPY_MODES: dict[ops.PadMode, Literal["reflect", "edge", "wrap"]] = {
    ops.PadMode.REFLECT: "reflect",
    ops.PadMode.REPLICATE: "edge",
    ops.PadMode.CIRCULAR: "wrap",
}


def rows(table: Array, indices: IntArray) -> Array:
    """table[indices]; unlike NumPy, a negative index is out of range.

    Raises:
        IndexError: if an index is not that of a row.
    """
    if indices.size and int(indices.min()) < 0:
        raise IndexError(
            f"index {int(indices.min())} is out of range: rows are 0..{len(table) - 1}"
        )
    return np.asarray(table[indices])


def reshape(op: ops.Reshape, x: Array, batch: int) -> Array:
    """Same elements in row-major order."""
    return x.reshape(with_batch(op.shape, batch))


def expand(op: ops.Expand, x: Array, batch: int) -> Array:
    """Repeats axes of size 1."""
    return np.broadcast_to(x, with_batch(op.shape, batch))


def permute(op: ops.Permute, x: Array) -> Array:
    """Output axis i is input axis axes[i]."""
    return np.ascontiguousarray(x.transpose(op.axes))


def slice_(op: ops.Slice, x: Array) -> Array:
    """x[start:stop:step] along one axis."""
    return x[(slice(None),) * op.axis + (slice(op.start, op.stop, op.step),)]


def pad(op: ops.Pad, x: Array) -> Array:
    """Pads every axis."""
    if op.mode is ops.PadMode.CONSTANT:
        value = np.asarray(op.value).astype(x.dtype)
        return np.pad(x, op.pads, constant_values=value)
    padded: Array = np.pad(x, op.pads, mode=_NUMPY_MODES[op.mode])
    return padded


def concat(op: ops.Concat, *inputs: Array) -> Array:
    """Joins along one axis."""
    return np.concatenate(inputs, axis=op.axis)
