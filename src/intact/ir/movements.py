"""Output shapes of the operations that move elements."""

import math
from collections.abc import Sequence
from typing import TypeAlias, assert_never

from intact.ir import float_ops as ops
from intact.ir.dims import check_axis, fixed_size, take
from intact.ir.graph import Shape

Movement: TypeAlias = ops.Concat | ops.Pad | ops.Reshape | ops.Permute | ops.Slice | ops.Expand


def moved(op: Movement, inputs: Sequence[Shape]) -> Shape:
    """Shape of the output.

    Raises:
        ValueError: if the inputs or an attribute do not fit.
    """
    if isinstance(op, ops.Concat):
        return _concat(op.axis, inputs)
    (x,) = take(inputs, 1)
    match op:
        case ops.Pad():
            return _pad(op, x)
        case ops.Reshape(shape):
            if _volume(shape) != _volume(x):
                raise ValueError(f"shape {x} does not have the elements of {shape}")
            return shape
        case ops.Permute(axes):
            if sorted(axes) != list(range(len(x))):
                raise ValueError(f"{axes} is not an order of the axes of {x}")
            return tuple(x[axis] for axis in axes)
        case ops.Slice():
            return _slice(op, x)
        case ops.Expand(shape):
            if len(x) != len(shape) or any(n not in (1, m) for n, m in zip(x, shape, strict=True)):
                raise ValueError(f"shape {x} does not expand to {shape}")
            return shape
        case _:
            assert_never(op)


def _slice(op: ops.Slice, x: Shape) -> Shape:
    check_axis(op.axis, x)
    size = fixed_size(f"axis {op.axis}", x[op.axis])
    if not (0 <= op.start < op.stop <= size and op.step >= 1):
        raise ValueError(
            f"{op.start}:{op.stop}:{op.step} does not lie in axis {op.axis} of shape {x}"
        )
    kept = (op.stop - op.start - 1) // op.step + 1
    return (*x[: op.axis], kept, *x[op.axis + 1 :])


def _volume(shape: Shape) -> tuple[int, int]:
    """(factor, power of the batch size): the number of elements at every batch size."""
    return abs(math.prod(shape)), sum(n < 0 for n in shape)


def _concat(axis: int, inputs: Sequence[Shape]) -> Shape:
    if not inputs:
        raise ValueError("takes at least one input")
    check_axis(axis, inputs[0])
    rest = {(len(x), *x[:axis], *x[axis + 1 :]) for x in inputs}
    if len(rest) != 1 or len({x[axis] < 0 for x in inputs}) != 1:
        raise ValueError(f"shapes {tuple(inputs)} do not join along axis {axis}")
    first = inputs[0]
    return (*first[:axis], sum(x[axis] for x in inputs), *first[axis + 1 :])


def _pad(op: ops.Pad, x: Shape) -> Shape:
    if len(op.pads) != len(x):
        raise ValueError(f"{len(op.pads)} pairs of pads for shape {x}")
    out = []
    for axis, (size, (before, after)) in enumerate(zip(x, op.pads, strict=True)):
        if min(before, after) < 0:
            raise ValueError(f"pads {(before, after)} of axis {axis} are negative")
        if before or after:
            fixed_size(f"axis {axis}", size)
        reach = {ops.PadMode.REFLECT: size - 1, ops.PadMode.CIRCULAR: size}.get(op.mode)
        if reach is not None and max(before, after) > max(reach, 0):
            raise ValueError(f"{op.mode.value} pads {(before, after)} exceed axis {axis} of {x}")
        out.append(size + before + after)
    return tuple(out)
