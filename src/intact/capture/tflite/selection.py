"""Operators that take tensors apart: splits, slices, gathers."""

from collections.abc import Sequence

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.capture.tflite.movement import MOST_PIECES, axis_of, chain
from intact.capture.tflite.shapes import reshaped
from intact.errors import FormatError, UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Shape, with_batch


def split(net: Builder, operator: Operator) -> None:
    """SPLIT into equal parts; SPLIT_V into parts of given sizes."""
    even = operator.code == "SPLIT"
    source, at = (1, 0) if even else (0, 2)
    x = net.codes(operator, source)
    axes = net.integers(operator, at)
    if len(axes) != 1 or len(operator.outputs) > MOST_PIECES:
        raise FormatError(f"{net.title(operator)} has axes {axes}")
    axis = axis_of(net, operator, axes[0], len(x.shape))
    size, count = with_batch(x.shape, 1)[axis], len(operator.outputs)
    sizes = [size // count] * count if even else net.integers(operator, 1)
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = size - sum(sizes) - 1
    if len(sizes) != count or sum(sizes) != size or min(sizes) < 1:
        raise FormatError(f"{net.title(operator)} splits {size} into {sizes}")
    start = 0
    for position, part in enumerate(sizes):
        chain(net, operator, x, _slices({axis: (start, start + part, 1)}, x.shape), position)
        start += part


def unpack(net: Builder, operator: Operator) -> None:
    """UNPACK: each index of an axis."""
    x = net.codes(operator, 0)
    rank, count = len(x.shape), len(operator.outputs)
    axis = axis_of(net, operator, net.options(operator, "UnpackOptions").integer("Axis"), rank)
    single = with_batch(x.shape, 1)
    if single[axis] != count or count > MOST_PIECES:
        raise FormatError(f"{net.title(operator)} unpacks {single[axis]} into {count}")
    target = reshaped_without(net, operator, x.shape, axis)
    for position in range(count):
        slices = _slices({axis: (position, position + 1, 1)}, x.shape)
        chain(net, operator, x, [*slices, ops.Reshape(target)], position)


def reshaped_without(net: Builder, operator: Operator, shape: Shape, axis: int) -> Shape:
    """The shape without an axis of which one index is left."""
    if shape[axis] < 0 and shape[axis] != -1:
        raise UnsupportedOpError(f"{net.title(operator)} selects samples of a batch")
    left = (*shape[:axis], -1 if shape[axis] < 0 else 1, *shape[axis + 1 :])
    single = with_batch(left, 1)
    return reshaped(net, operator, left, (*single[:axis], *single[axis + 1 :]))


def slice_(net: Builder, operator: Operator) -> None:
    """SLICE: begin and size of each axis; size -1 is the rest."""
    x = net.codes(operator, 0)
    begins, sizes = net.integers(operator, 1), net.integers(operator, 2)
    shape = with_batch(x.shape, 1)
    if not len(begins) == len(sizes) == len(shape):
        raise FormatError(f"{net.title(operator)} slices {len(begins)} of {len(shape)} axes")
    wanted = {
        axis: (begin, n if size == -1 else begin + size, 1)
        for axis, (begin, size, n) in enumerate(zip(begins, sizes, shape, strict=True))
    }
    chain(net, operator, x, _slices(wanted, x.shape))


def strided_slice(net: Builder, operator: Operator) -> None:
    """STRIDED_SLICE with positive steps."""
    x = net.codes(operator, 0)
    wanted, dropped = strides(net, operator, with_batch(x.shape, 1))
    steps: list[FloatOp] = list(_slices(wanted, x.shape))
    shape = x.shape
    for op in steps:
        assert isinstance(op, ops.Slice)
        shape = (*shape[: op.axis], -(-(op.stop - op.start) // op.step), *shape[op.axis + 1 :])
    for axis in sorted(dropped, reverse=True):
        shape = reshaped_without(net, operator, shape, axis)
    chain(net, operator, x, [*steps, ops.Reshape(shape)] if dropped else steps)


def strides(
    net: Builder, operator: Operator, shape: Shape
) -> tuple[dict[int, tuple[int, int, int]], list[int]]:
    """(start, stop, step) of each axis that is cut, and the axes of which one index is left."""
    options = net.options(operator, "StridedSliceOptions")
    begins, ends, steps = (net.integers(operator, i) for i in (1, 2, 3))
    masks = {
        name: options.integer(f"{name}Mask")
        for name in ("Begin", "End", "Ellipsis", "NewAxis", "ShrinkAxis")
    }
    if not len(begins) == len(ends) == len(steps) <= len(shape):
        raise FormatError(f"{net.title(operator)} slices {len(begins)} of {len(shape)} axes")
    if masks["Ellipsis"] or masks["NewAxis"] or min(steps, default=1) < 1:
        raise UnsupportedOpError(
            f"{net.title(operator)} slices with an ellipsis, a new axis or backwards"
        )
    wanted, dropped = {}, []
    for axis, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        bit, n = 1 << axis, shape[axis]
        start = 0 if masks["Begin"] & bit else max(0, min(n, begin + n if begin < 0 else begin))
        stop = n if masks["End"] & bit else max(0, min(n, end + n if end < 0 else end))
        if masks["ShrinkAxis"] & bit:
            stop, step = start + 1, 1
            dropped.append(axis)
        wanted[axis] = (start, stop, step)
    return wanted, dropped


def gather(net: Builder, operator: Operator) -> None:
    """GATHER with known indices: slices, joined."""
    x = net.codes(operator, 0)
    options = net.options(operator, "GatherOptions")
    axis = axis_of(net, operator, options.integer("Axis"), len(x.shape))
    indices = net.constant_array(operator, 1)
    if options.integer("BatchDims") or indices.ndim > 1 or indices.size > MOST_PIECES:
        raise UnsupportedOpError(f"{net.title(operator)} gathers by more than one row of indices")
    size = with_batch(x.shape, 1)[axis]
    rows = [int(i) for i in indices.reshape(-1)]
    if any(not 0 <= row < size for row in rows) or not rows:
        raise FormatError(f"{net.title(operator)} gathers {rows[:4]} of {size}")
    if indices.ndim == 0:
        target = reshaped_without(net, operator, x.shape, axis)
        cut = _slices({axis: (rows[0], rows[0] + 1, 1)}, x.shape)
        chain(net, operator, x, [*cut, ops.Reshape(target)])
        return
    runs = _runs(rows)
    if len(runs) == 1:
        chain(net, operator, x, _slices({axis: runs[0]}, x.shape))
        return
    pieces = [
        net.between(operator, ops.Slice(axis, *run), [x], x.params, f"row{number}")
        for number, run in enumerate(runs)
    ]
    net.emit(operator, ops.Concat(axis), pieces)


def _runs(rows: Sequence[int]) -> list[tuple[int, int, int]]:
    """(start, stop, 1) of neighbours that follow each other."""
    runs: list[tuple[int, int, int]] = []
    for row in rows:
        if runs and runs[-1][1] == row:
            runs[-1] = (runs[-1][0], row + 1, 1)
        else:
            runs.append((row, row + 1, 1))
    return runs


def _slices(wanted: dict[int, tuple[int, int, int]], shape: Shape) -> list[FloatOp]:
    """A Slice for each axis of which something is left out."""
    single = with_batch(shape, 1)
    return [
        ops.Slice(axis, *bounds)
        for axis, bounds in wanted.items()
        if bounds != (0, single[axis], 1)
    ]
