"""Split, Slice and Gather of an ONNX file as float ops."""

from typing import TypeAlias

import numpy as np

from intact.capture.onnx.builder import Builder
from intact.capture.onnx.node import OnnxNode
from intact.ir import float_ops as ops
from intact.ir.graph import Shape, Value
from intact.numerics.arrays import IntArray

_MOST_PIECES = 64  # of a Gather

# One integer a trial: where a slice of the batch axis ends depends on the batch.
Bound: TypeAlias = tuple[int, ...]


def split(node: OnnxNode, net: Builder) -> None:
    """A Slice for each output that is used."""
    x = net.value(node)
    axis = node.integer("axis", 0) % len(x.shape)
    if x.shape[axis] < 0:
        raise node.unsupported("splits the batch", "Split a later axis")
    start = 0
    for index, output in enumerate(node.outputs):
        if not output:
            raise node.unsupported("has an output without a name", "Name all outputs")
        stop = start + net.facts.shape(output)[axis]
        if (start, stop) == (0, x.shape[axis]):
            net.alias(node, x, index)
        else:
            net.emit(node, ops.Slice(axis, start, stop), x, index=index)
        start = stop


def slice_(node: OnnxNode, net: Builder) -> None:
    """Slice: one step for each axis that is cut."""
    x = net.value(node)
    starts, ends = (_bounds(node, net, name, i) for name, i in (("starts", 1), ("ends", 2)))
    axes = net.integers(node, "axes", 3) or tuple(range(len(starts)))
    steps = net.integers(node, "steps", 4) or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or len(axes) > len(x.shape):
        raise node.malformed("has starts, ends, axes and steps of different lengths")
    cuts: list[tuple[ops.Slice, Shape]] = []
    shape = x.shape
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if not -len(shape) <= axis < len(shape):
            raise node.malformed(f"has axis {axis} of a value of rank {len(shape)}")
        op = _cut(node, net, axis % len(shape), (start, end), step)
        if op is not None:
            size = -(-(op.stop - op.start) // op.step)
            shape = (*shape[: op.axis], size, *shape[op.axis + 1 :])
            cuts.append((op, shape))
    if not cuts:
        net.alias(node, x)
        return
    for op, cut_shape in cuts[:-1]:
        x = net.step(f"{node.name}.{op.axis}", op, [x], cut_shape)
    net.emit(node, cuts[-1][0], x)


def _bounds(node: OnnxNode, net: Builder, attribute: str, index: int) -> list[Bound]:
    trials = len(net.facts.batches)
    if attribute in node.attributes:
        return [(value,) * trials for value in node.integers(attribute) or ()]
    known = net.facts.known.get(node.input(index))
    if known is None:
        net.parameter(node, index)  # raises
        return []
    lists = [[int(value) for value in array.reshape(-1)] for array in known.arrays]
    return list(zip(*lists, strict=True))


def _cut(
    node: OnnxNode, net: Builder, axis: int, bounds: tuple[Bound, Bound], step: int
) -> ops.Slice | None:
    """The slice of one axis; None if it takes all."""
    sizes = [shape[axis] for shape in net.facts.infos[node.inputs[0]].shapes]
    if step < 1:
        raise node.unsupported(f"has step {step}", "Use positive steps")
    ranges = {
        slice(start, end).indices(size)[:2] for start, end, size in zip(*bounds, sizes, strict=True)
    }
    if step == 1 and ranges == {(0, size) for size in sizes}:
        return None
    if len(set(sizes)) > 1 or len(ranges) > 1:
        raise node.unsupported("cuts the batch", "Slice later axes alone")
    ((start, stop),) = ranges
    if stop <= start:
        raise node.unsupported("is empty", "Remove it")
    return ops.Slice(axis, start, stop, step)


def gather(node: OnnxNode, net: Builder) -> None:
    """A constant table: Embedding. Constant indices: slices, joined if there are several runs."""
    indices = net.facts.static(node.inputs[1])
    table = net.facts.static(node.inputs[0])
    if table is not None and indices is None:
        _embedding(node, net)
    elif indices is not None:
        _pick(node, net, indices.astype(np.int64))
    else:
        raise node.unsupported("looks up computed values by computed indices", "Remove it")


def _embedding(node: OnnxNode, net: Builder) -> None:
    table = net.parameter(node, 0)
    if table.ndim != 2 or node.integer("axis", 0) not in (0, -2):
        raise node.unsupported("looks up rows of no matrix", "Use a table (entries, features)")
    if not net.facts.is_float(node.inputs[0]):
        raise node.unsupported("looks up integers", "Use a table of real numbers")
    source = net.facts.known[node.inputs[0]].source
    net.emit(node, ops.Embedding(), net.value(node, 1), net.constant(source, table))


def _pick(node: OnnxNode, net: Builder, indices: IntArray) -> None:
    x = net.value(node)
    axis = node.integer("axis", 0) % len(x.shape)
    size = x.shape[axis]
    if size < 0:
        raise node.unsupported("picks samples of the batch", "Index later axes alone")
    picked = [int(index) + (size if index < 0 else 0) for index in indices.reshape(-1)]
    if not picked or not all(0 <= index < size for index in picked):
        raise node.malformed(f"has indices outside of 0..{size - 1}")
    runs = _runs(picked)
    if len(runs) > _MOST_PIECES:
        raise node.unsupported("permutes an axis", "Use Slice, Transpose or Reshape")
    shape = net.facts.shape(node.output)
    joined = (*x.shape[:axis], len(picked), *x.shape[axis + 1 :])
    parts = [sliced(node, net, x, ops.Slice(axis, *run)) for run in runs]
    x = parts[0]
    if len(parts) > 1:
        x = net.step(f"{node.name}.concat", ops.Concat(axis), parts, joined)
    if shape == joined:
        net.alias(node, x)
    else:
        net.emit(node, ops.Reshape(shape), x)


def sliced(node: OnnxNode, net: Builder, x: Value, op: ops.Slice) -> Value:
    """X cut by `op`; x itself if that takes all."""
    size = -(-(op.stop - op.start) // op.step)
    if size == x.shape[op.axis]:
        return x
    shape = (*x.shape[: op.axis], size, *x.shape[op.axis + 1 :])
    return net.step(f"{node.name}.slice", op, [x], shape)


def _runs(indices: list[int]) -> list[tuple[int, int, int]]:
    """The indices as start, stop and step of increasing progressions."""
    runs: list[tuple[int, int, int]] = []
    position = 0
    while position < len(indices):
        start = indices[position]
        step = indices[position + 1] - start if position + 1 < len(indices) else 1
        step = step if step > 0 else 1
        end = position + 1
        while end < len(indices) and indices[end] == start + (end - position) * step:
            end += 1
        runs.append((start, indices[end - 1] + 1, step if end - position > 1 else 1))
        position = end
    return runs
