"""Means and resizing."""

import math

import numpy as np

from intact.emit.tflite.clamps import emit_bounded
from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.rounding import requant_of, same_codes
from intact.emit.tflite.schema import (
    BuiltinOperator,
    Options,
)
from intact.emit.tflite.values import activation_params, code_range, no_scale, sizes
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import IntArray
from intact.numerics.fixedpoint import Requant, divided


def emit_mean(ledger: Ledger, node: Node[IntOp], op: int_ops.QMean) -> None:
    """MEAN."""
    x = node.inputs[0]
    s_x, s_y = (float(activation_params(node, value)[0]) for value in (x, node.output))
    count = math.prod(sizes(x)[axis] for axis in op.axes)
    low, high = (count * (code - op.input_zero_point) for code in code_range(x))
    theirs = _mean_requant(s_x / s_y, count, op.requant)
    if theirs is None or not same_codes(op.requant, theirs, low, high):
        raise no_scale(node)
    axes = ledger.integers(op.axes, f"{node.name}/axes")
    inputs, options = [ledger.read(x), axes], Options("ReducerOptions", {"KeepDims": op.keepdims})
    emit_bounded(ledger, BuiltinOperator.MEAN, inputs, node, op.requant, options)


def _mean_requant(ratio: float, count: int, like: Requant) -> Requant | None:
    """The multiplier of s_x / s_y, divided by the count."""
    scaled = requant_of(ratio, like)
    return None if scaled is None else divided(scaled, count)


# --- resizing ----------------------------------------------------------------------------------


def emit_nearest(ledger: Ledger, node: Node[IntOp], op: int_ops.QResizeNearest2d) -> None:
    """RESIZE_NEAREST_NEIGHBOR, or GATHER along each axis where float32 rounds another way."""
    x = node.inputs[0]
    space = sizes(x)[1:3]
    exact = [np.arange(m) * n // m for n, m in zip(space, op.size, strict=True)]
    theirs = [_nearest(n, m) for n, m in zip(space, op.size, strict=True)]
    if all(np.array_equal(a, b) for a, b in zip(exact, theirs, strict=True)):
        _resize(ledger, node, BuiltinOperator.RESIZE_NEAREST_NEIGHBOR, op.size, {})
        return
    source = ledger.read(x)
    for axis, indices in ((1, exact[0]), (2, exact[1])):
        shape = list(ledger.writer.tensors[source].shape)
        shape[axis] = len(indices)
        last = axis == 2
        target = (
            ledger.write(node.output)
            if last
            else ledger.temporary(f"{node.name}/rows", tuple(shape), x)
        )
        rows = ledger.integers(indices, f"{node.name}/indices")
        options = Options("GatherOptions", {"Axis": axis})
        source = ledger.emit(BuiltinOperator.GATHER, [source, rows], target, options)


def _nearest(size: int, out: int) -> IntArray:
    """The indices that TFLite computes in float32 (GetNearestNeighbor)."""
    scale = np.float32(size) / np.float32(out)
    indices = np.floor(np.arange(out, dtype=np.float32) * scale).astype(np.int64)
    return np.asarray(np.minimum(indices, size - 1))


def emit_bilinear(ledger: Ledger, node: Node[IntOp], op: int_ops.QResizeBilinear2d) -> None:
    """RESIZE_BILINEAR."""
    # Corners of an axis that becomes one pixel do not align: TFLite then ignores both options.
    fields = {"AlignCorners": op.align_corners, "HalfPixelCenters": not op.align_corners}
    _resize(ledger, node, BuiltinOperator.RESIZE_BILINEAR, op.size, fields)


def _resize(
    ledger: Ledger, node: Node[IntOp], code: int, size: tuple[int, int], fields: dict[str, bool]
) -> None:
    kind = (
        "ResizeBilinearOptions"
        if code == BuiltinOperator.RESIZE_BILINEAR
        else "ResizeNearestNeighborOptions"
    )
    inputs = [ledger.read(node.inputs[0]), ledger.integers(size, f"{node.name}/size")]
    ledger.emit(code, inputs, ledger.write(node.output), Options(kind, fields))
