"""What the translation of ATen calls writes to: drafts of nodes, constants, their origins."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from intact.capture.dims import Dims, format_of
from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node, Shape, Value
from intact.numerics.formats import FP32, Format


@dataclass(frozen=True, slots=True)
class Origin:
    """The ATen call behind a node: in which module call, of which function."""

    calls: tuple[str, ...]  # keys of the module calls around it, outermost first
    path: str  # of the innermost module; "" is the model itself
    function: str  # "conv2d", "add"
    op: str  # "aten.conv2d", for messages
    leaf: bool  # whether the innermost module calls no further ones

    @property
    def place(self) -> str:
        """Where the user finds it."""
        if not self.path:
            return self.function
        return self.path if self.leaf else f"{self.path}.{self.function}"


@dataclass(eq=False, slots=True)
class Constant:
    """A tensor known at capture.

    It is called `name` (a state-dict name), or after `origin` if it was computed by a call with
    constant arguments, or else, as a literal, after its reader and `role`.
    """

    tensor: Tensor
    name: str | None = None
    origin: Origin | None = None
    role: str = "constant"

    @property
    def shape(self) -> Shape:
        """As of a Value."""
        return tuple(self.tensor.shape)

    @property
    def dtype(self) -> Format:
        """As of a Value."""
        return format_of(self.tensor)


Operand: TypeAlias = Value | Constant


class Builder:
    """Nodes in order, under provisional names; `naming.finish` makes the graph of them."""

    def __init__(self, dims: Dims) -> None:
        self.dims = dims
        self.nodes: dict[str, Node[FloatOp]] = {}
        self.constants: dict[str, Constant] = {}
        self.origins: dict[str, Origin] = {}  # of nodes and computed constants, in order
        self._values: dict[int, Value] = {}  # by id of the Constant
        self._state: dict[tuple[object, ...], Constant] = {}

    def emit(
        self,
        op: FloatOp,
        inputs: Sequence[Operand],
        shape: Shape,
        dtype: Format,
        origin: Origin,
    ) -> Value:
        """Append a node; the value that it writes."""
        read = tuple(self.value(x) for x in inputs)
        output = Value(f"%{len(self.origins)}", shape, dtype)
        self.nodes[output.name] = Node(op, read, output)
        self.origins[output.name] = origin
        return output

    @contextmanager
    def drafting(self) -> Iterator[dict[str, Node[FloatOp]]]:
        """What is emitted inside stays out of the graph: the nodes of a body, by name."""
        outside, self.nodes = self.nodes, {}
        try:
            yield self.nodes
        finally:
            self.nodes = outside

    def given(self, shape: Shape, origin: Origin) -> Value:
        """A value of real numbers that a body is given."""
        value = Value(f"%{len(self.origins)}", shape, FP32)
        self.origins[value.name] = origin
        return value

    def value(self, operand: Operand) -> Value:
        """The value of a constant, always the same one."""
        if isinstance(operand, Value):
            return operand
        if id(operand) not in self._values:
            name = f"%{len(self.origins)}" if operand.origin else f"%c{len(self._values)}"
            if operand.origin:
                self.origins[name] = operand.origin
            self.constants[name] = operand
            self._values[id(operand)] = Value(name, operand.shape, operand.dtype)
        return self._values[id(operand)]

    def state(self, tensor: Tensor, name: str | None) -> Constant:
        """The constant of a parameter or buffer; the first name of a tied one counts."""
        return self._state.setdefault(_memory(tensor), Constant(tensor.detach(), name))

    def may_write(self, constant: Constant) -> bool:
        """Whether writing to its memory changes no parameter and nothing already in the graph."""
        storage = constant.tensor.untyped_storage().data_ptr()
        read = [self._state.values(), self.constants.values()]
        return all(c.tensor.untyped_storage().data_ptr() != storage for cs in read for c in cs)

    def computed(self, tensor: Tensor, origin: Origin | None) -> Constant:
        """The constant of a call's result; a view of a whole parameter is that parameter."""
        known = self._state.get(_memory(tensor))
        return known if known is not None else Constant(tensor, origin=origin)


def _memory(tensor: Tensor) -> tuple[object, ...]:
    """What two tensors share if they are the same numbers in the same order."""
    start = tensor.data_ptr() if tensor.numel() else id(tensor)
    return start, tensor.dtype, tuple(tensor.shape), tensor.stride()


@dataclass(frozen=True, slots=True)
class Call:
    """One ATen call: its origin, its results, and how to write nodes for it."""

    builder: Builder
    origin: Origin
    shapes: tuple[Shape, ...]  # of each result
    dtype: torch.dtype  # of the first

    @property
    def shape(self) -> Shape:
        """Shape of the (first) result."""
        return self.shapes[0]

    def emit(
        self,
        op: FloatOp,
        *inputs: Operand,
        shape: Shape | None = None,
        function: str | None = None,
    ) -> Value:
        """A node of real numbers; it has the result's shape and function name unless given."""
        origin = replace(self.origin, function=function) if function else self.origin
        return self.builder.emit(op, inputs, self.shape if shape is None else shape, FP32, origin)

    def move(
        self, op: FloatOp, x: Operand, shape: Shape | None = None, function: str | None = None
    ) -> Value:
        """A node that moves data of any dtype."""
        origin = replace(self.origin, function=function) if function else self.origin
        shape = self.shape if shape is None else shape
        return self.builder.emit(op, [x], shape, x.dtype, origin)

    def join(self, op: ops.Concat, parts: Sequence[Operand]) -> Value:
        """A node that joins data of any one dtype."""
        return self.builder.emit(op, parts, self.shape, parts[0].dtype, self.origin)

    def reshape(self, x: Operand, shape: Shape) -> Operand:
        """The operand in another shape; no node where it has it, one for a Reshape of a Reshape."""
        before = self.producer(x)
        if before is not None and isinstance(before.op, ops.Reshape):
            x = before.inputs[0]
        return x if x.shape == shape else self.move(ops.Reshape(shape), x, shape, "reshape")

    def permute(self, x: Operand, axes: Sequence[int]) -> Operand:
        """Output axis i is axis axes[i]; no node where nothing moves, one for two in a row."""
        before = self.producer(x)
        if before is not None and isinstance(before.op, ops.Permute):
            axes = [before.op.axes[axis] for axis in axes]
            x = before.inputs[0]
        if list(axes) == sorted(axes):
            return x
        shape = tuple(x.shape[axis] for axis in axes)
        return self.move(ops.Permute(tuple(axes)), x, shape, "permute")

    def expand(self, x: Operand, shape: Shape) -> Operand:
        """Axes of size 1 repeated; no node where it has the shape."""
        return x if x.shape == shape else self.move(ops.Expand(shape), x, shape, "expand")

    def slice(self, x: Operand, axis: int, start: int, stop: int, step: int = 1) -> Operand:
        """x[start:stop:step] along the axis; no node where that is everything."""
        if (start, stop, step) == (0, x.shape[axis], 1):
            return x
        shape = list(x.shape)
        shape[axis] = -((start - stop) // step)
        op = ops.Slice(axis, start, stop, step)
        return self.move(op, x, tuple(shape), "slice")

    def computed(self, tensor: Tensor) -> Constant:
        """A constant that is the result of this call."""
        return self.builder.computed(tensor, self.origin)

    def producer(self, x: Operand) -> Node[FloatOp] | None:
        """The node that writes x; None for inputs and constants."""
        return self.builder.nodes.get(x.name) if isinstance(x, Value) else None

    def known(self, x: Operand | None) -> Constant | None:
        """The constant behind an operand, also if it comes as a value of the graph."""
        return self.builder.constants.get(x.name) if isinstance(x, Value) else x

    def refuse(self, why: str = "") -> UnsupportedOpError:
        """The error that says this call cannot be captured."""
        reason = why or (
            "Replace it in the model, or cut the model before it and run it after the network."
        )
        return UnsupportedOpError(f'{self.origin.op} at "{self.origin.place}" is not supported. '
                                  f"{reason}")  # fmt: skip

    def need(self, condition: object, why: str) -> None:
        """Refuse unless the condition holds."""
        if not condition:
            raise self.refuse(why)

    def parameter(self, x: Operand | None, role: str) -> Constant:
        """An operand that has to be known at capture, such as a weight."""
        known = self.known(x)
        if known is None:
            raise self.refuse(f"Its {role} is computed from the input; only constants will do.")
        return known

    def axis(self, axis: int, x: Operand, *, batch: bool = False) -> int:
        """The axis counted from the front; the batch axis is refused unless allowed."""
        axis %= max(len(x.shape), 1)
        self.need(batch or x.shape[axis] >= 0, "It works across the samples of a batch.")
        return axis


def scalar(value: float) -> Constant:
    """A literal of shape ()."""
    return Constant(torch.tensor(float(value)))
