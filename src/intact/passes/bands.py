"""One operation for a band of its output's rows: the rows it reads, and how it pads them.

Values are channels last, so that axis 1 holds the rows.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp
from intact.ir.shapes import output_shape
from intact.ir.sharing import Arithmetic

# Each row of the output depends on the same row of x alone.
RowByRow: TypeAlias = (
    ops.Dropout
    | int_ops.Requantize
    | int_ops.Lookup
    | int_ops.InterpolatedLookup
    | int_ops.QPrelu
    | int_ops.QSoftmax
    | int_ops.QSoftmax16
)


@dataclass(frozen=True, slots=True)
class Rows:
    """start .. stop - 1."""

    start: int
    stop: int

    @property
    def count(self) -> int:
        """How many."""
        return self.stop - self.start

    def hull(self, other: "Rows") -> "Rows":
        """From the first to the last row of both."""
        return Rows(min(self.start, other.start), max(self.stop, other.stop))


@dataclass(frozen=True, slots=True)
class Band:
    """`op` computes the rows that were asked for from these rows of its inputs."""

    op: IntOp
    inputs: tuple[Rows | None, ...]  # None: the whole input


def band(node: Node[IntOp], rows: Rows) -> Band | None:
    """The node for some rows of its output; None if it cannot be computed in bands.

    A window that meets no row at all, only padding, is such a case.
    """
    if len(node.output.shape) != 4:
        return None
    made = _band(node, rows)
    if made is None or any(part and part.count < 1 for part in made.inputs):
        return None
    shapes = [with_rows(v, part).shape for v, part in zip(node.inputs, made.inputs, strict=True)]
    try:
        fits = output_shape(made.op, shapes) == with_rows(node.output, rows).shape
    except ValueError:  # too few rows for a window
        return None
    return made if fits else None


def with_rows(value: Value, rows: Rows | None) -> Value:
    """The value with this many rows; as it is for None."""
    if rows is None:
        return value
    return replace(value, shape=(value.shape[0], rows.count, *value.shape[2:]))


def _band(node: Node[IntOp], rows: Rows) -> Band | None:
    op, x = node.op, node.inputs[0]
    whole = (None,) * (len(node.inputs) - 1)
    if isinstance(op, RowByRow):
        return Band(op, (rows, *whole))
    if isinstance(op, Arithmetic):
        return Band(op, tuple(_operand(value, node.output, rows) for value in node.inputs))
    match op:
        case int_ops.QConv2d() | int_ops.QMaxPool2d() | int_ops.QAvgPool2d():
            return _windows(op, node, rows)
        case ops.Pad(pads, mode) if pads[0] == (0, 0):
            if pads[1] == (0, 0):
                return Band(op, (rows,))
            if mode is not ops.PadMode.CONSTANT:
                return None
            inner, reach = _inside(Rows(rows.start - pads[1][0], rows.stop - pads[1][0]), x)
            return Band(replace(op, pads=(pads[0], reach, *pads[2:])), (inner,))
        case ops.Slice(1, start, _, step):
            first, last = start + rows.start * step, start + (rows.stop - 1) * step
            return Band(replace(op, start=0, stop=last - first + 1), (Rows(first, last + 1),))
        case ops.Slice(2 | 3):
            return Band(op, (rows,))
        case ops.Concat(2 | 3):
            return Band(op, (rows,) * len(node.inputs))
        case _:
            return None


def _operand(value: Value, output: Value, rows: Rows) -> Rows | None:
    """The rows of an operand that broadcasts to the output; None: it has no rows of its own."""
    one_row = len(value.shape) < 3 or (value.shape[-3] == 1 and output.shape[1] > 1)
    return None if one_row else rows


def _windows(
    op: int_ops.QConv2d | int_ops.QMaxPool2d | int_ops.QAvgPool2d, node: Node[IntOp], rows: Rows
) -> Band:
    taps = node.inputs[1].shape[1] if isinstance(op, int_ops.QConv2d) else op.kernel[0]
    dilation = 1 if isinstance(op, int_ops.QAvgPool2d) else op.dilation[0]
    (top, bottom), sides = op.padding
    first = rows.start * op.stride[0] - top
    last = (rows.stop - 1) * op.stride[0] - top + dilation * (taps - 1)
    inner, (before, after) = _inside(Rows(first, last + 1), node.inputs[0])
    whole = (None,) * (len(node.inputs) - 1)
    if isinstance(op, int_ops.QAvgPool2d):
        padded = min(after, bottom)  # what is beyond does not count
        overhang = (after - padded, op.overhang[1])
        averaged = replace(op, padding=((before, padded), sides), overhang=overhang)
        return Band(averaged, (inner, *whole))
    return Band(replace(op, padding=((before, after), sides)), (inner, *whole))


def _inside(rows: Rows, value: Value) -> tuple[Rows, tuple[int, int]]:
    """The rows that exist, and how many are missing before and after them."""
    height = value.shape[1]
    inner = Rows(max(rows.start, 0), min(rows.stop, height))
    return inner, (inner.start - rows.start, rows.stop - inner.stop)
