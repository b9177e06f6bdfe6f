"""Which values of a Program, one sample at a time, may lie in each other's memory.

A node that only renames bytes (a reshape, a run of rows) is a *view*; a concatenation of runs is
a *join*, whose inputs are computed where they belong; an operation on single elements may
*overwrite* an input. The kernels of csrc/portable say in their comments where the output may be
an input.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from intact.ir import int_ops
from intact.ir.float_ops import Concat, Dropout, Permute, Reshape, Slice
from intact.ir.graph import Node, Shape, Value, with_batch
from intact.ir.int_ops import IntOp, Program

Elementwise: TypeAlias = (
    int_ops.Requantize
    | int_ops.Lookup
    | int_ops.InterpolatedLookup
    | int_ops.QPrelu
    | int_ops.QSoftmax
    | int_ops.QSoftmax16
    | int_ops.QLayerNorm
)
Arithmetic: TypeAlias = int_ops.QAdd | int_ops.QSub | int_ops.QMul


@dataclass(frozen=True, slots=True)
class Part:
    """Of two values that share memory the other one, and where the smaller begins in the larger."""

    name: str
    offset: int  # bytes


@dataclass(frozen=True, slots=True)
class Sharing:
    """What may be shared, by the name of the node."""

    views: Mapping[str, Part]  # the value that the node's output is part of
    joins: Mapping[str, tuple[Part, ...]]  # the inputs that the node's output consists of
    overwrites: Mapping[str, tuple[str, ...]]  # the inputs that the node may write over


def sharing(program: Program) -> Sharing:
    """All that may be shared at batch size 1; constants take no part in it."""
    views: dict[str, Part] = {}
    joins: dict[str, tuple[Part, ...]] = {}
    overwrites: dict[str, tuple[str, ...]] = {}
    for node in program.nodes:
        stored = [value for value in node.inputs if value.name not in program.constants]
        if not stored:
            continue
        offset = _view_offset(node)
        if offset is not None:
            views[node.name] = Part(stored[0].name, offset)
        elif isinstance(node.op, Concat) and len(stored) == len(node.inputs):
            joins.update(_joined(node, node.op.axis))
        else:
            over = tuple(v.name for v in overwritable(node) if v in stored)
            overwrites.update({node.name: over} if over else {})
    return Sharing(views, joins, overwrites)


def overwritable(node: Node[IntOp]) -> tuple[Value, ...]:
    """The inputs that the node's portable kernel has read before it writes over them.

    It goes through both in one direction, so the output's elements must not be the wider ones.
    """
    size = itemsize(node.output)
    x = node.inputs[0]
    if isinstance(node.op, Elementwise):
        return (x,) if size <= itemsize(x) else ()
    if isinstance(node.op, int_ops.QGroupNorm):  # its groups are interleaved
        return (x,) if size == itemsize(x) else ()
    if isinstance(node.op, Arithmetic):
        shape = with_batch(node.output.shape, 1)
        same = (v for v in node.inputs if with_batch(v.shape, 1) == shape)
        return tuple(v for v in same if size <= itemsize(v))
    return ()


def itemsize(value: Value) -> int:
    """Bytes of one stored element."""
    return value.dtype.storage.itemsize


def _view_offset(node: Node[IntOp]) -> int | None:
    """Where in its input, in bytes, the node's output lies as one run; None: nowhere."""
    x = with_batch(node.inputs[0].shape, 1)
    match node.op:
        case Reshape() | Dropout():
            return 0
        case Permute(axes):
            moved = [axis for axis in axes if x[axis] != 1]
            return 0 if moved == sorted(moved) else None
        case Slice(axis, start, stop, step):
            one_run = math.prod(x[:axis]) == 1 and (step == 1 or start + step >= stop)
            return start * _row_bytes(node.inputs[0], axis) if one_run else None
        case Concat():
            return 0 if len(node.inputs) == 1 else None
        case _:
            return None


def _joined(node: Node[IntOp], axis: int) -> dict[str, tuple[Part, ...]]:
    """The concatenation's inputs in its output, if each is one run there."""
    shapes: list[Shape] = [with_batch(value.shape, 1) for value in node.inputs]
    if math.prod(shapes[0][:axis]) != 1:
        return {}
    parts = []
    rows = 0
    for value, shape in zip(node.inputs, shapes, strict=True):
        parts.append(Part(value.name, rows * _row_bytes(node.output, axis)))
        rows += shape[axis]
    return {node.name: tuple(parts)}


def _row_bytes(value: Value, axis: int) -> int:
    """Bytes from one index of an axis to the next."""
    return math.prod(with_batch(value.shape, 1)[axis + 1 :]) * itemsize(value)
