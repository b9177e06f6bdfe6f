"""Collects ONNX nodes and initializers under unique names."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TypeAlias

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper

from intact.errors import FormatError
from intact.ir.graph import Shape, Value, free_name
from intact.numerics.arrays import Array

Attribute: TypeAlias = int | float | str | Sequence[int]

MAX_BYTES = 2**31 - 2**20  # protobuf's limit on one message, and room for the nodes


def element_type(dtype: np.dtype[np.generic]) -> int:
    """ONNX's name of a NumPy type."""
    return int(helper.np_dtype_to_tensor_dtype(dtype))


def symbolic(shape: Shape) -> list[int | str]:
    """Dimensions as ONNX writes them: -1 is "batch", -8 is "8*batch"."""
    return [dim if dim >= 0 else "batch" if dim == -1 else f"{-dim}*batch" for dim in shape]


class Writer:
    """The ONNX graph under construction."""

    def __init__(
        self, inputs: Sequence[Value], reserved: Iterable[str], limit: int = MAX_BYTES
    ) -> None:
        """Starts with nothing but names that only their owners may use."""
        self.limit = limit  # bytes of initializers
        self.inputs = tuple(inputs)
        self.nodes: list[NodeProto] = []
        self.arrays: dict[str, Array] = {}  # the initializers that are plain arrays
        self.codes_of: dict[str, tuple[str, str, str]] = {}  # real: codes, scale, zero point
        self._reals: dict[tuple[str, str, str], str] = {}  # and back
        self.arrangements: dict[tuple[str, tuple[int, ...]], str] = {}  # transposed before
        self._known: dict[tuple[str, int, Shape, bytes], str] = {}  # initializers by content
        self._tensors: dict[str, TensorProto] = {}
        self._names = set(reserved)
        self._node_names: set[str] = set()
        self._bytes = 0

    # --- names ---------------------------------------------------------------------------------

    def unique(self, name: str) -> str:
        """The name of a tensor, or the name with a number if it is taken."""
        return _unique(name, self._names)

    # --- nodes and initializers ----------------------------------------------------------------

    def node(
        self, op: str, inputs: Sequence[str], output: str, name: str, **attributes: Attribute
    ) -> str:
        """Appends a node that writes `output`, and returns that."""
        own = _unique(name, self._node_names)
        made = helper.make_node(op, inputs, [output], name=own)
        made.attribute.extend(
            helper.make_attribute(key, attributes[key]) for key in sorted(attributes)
        )
        self.nodes.append(made)
        return output

    def constant(self, array: Array, name: str) -> str:
        """An initializer called `name`, or like it if another one has that name."""
        stored = self.packed(element_type(array.dtype), array.shape, array.tobytes(), name)
        self.arrays[stored] = array
        return stored

    def packed(self, element: int, shape: Shape, data: bytes, name: str) -> str:
        """An initializer of any element type from its bytes; written once for the same name.

        Raises:
            FormatError: if the file would be larger than one protobuf message may be.
        """
        key = (name, element, shape, sha256(data).digest())
        if key in self._known:
            return self._known[key]
        own = self.unique(name)
        self._bytes += len(data)
        if self._bytes > self.limit:
            raise FormatError(
                f'the weights up to "{name}" need more than 2 GB, the limit of one ONNX file;'
                " quantize to fewer bits or export the network in parts"
            )
        self._tensors[own] = helper.make_tensor(own, element, shape, data, raw=True)
        self._known[key] = own
        return own

    def integers(self, numbers: Sequence[int], name: str) -> str:
        """An int64 vector: shapes, axes, pads."""
        return self.constant(np.asarray(numbers, np.int64), name)

    def dequantize(self, codes: str, scale: str, zero_point: str, output: str | None = None) -> str:
        """A DequantizeLinear of codes that nodes write; one for all readers, if unnamed."""
        source = codes, scale, zero_point
        if output is None and source in self._reals:
            return self._reals[source]
        real = self.unique(f"{codes}/dequantized") if output is None else output
        self.codes_of[real] = source
        self._reals.setdefault(source, real)
        return self.node("DequantizeLinear", source, real, f"{codes}/DequantizeLinear")

    # --- the batch size ------------------------------------------------------------------------

    def reshape_target(self, shape: Shape, name: str) -> str:
        """The second input of Reshape: one dimension that depends on the batch is -1."""
        unknown = [dim for dim in shape if dim < 0]
        if len(unknown) > 1:
            return self.shape_tensor(shape, name)
        return self.integers([-1 if dim < 0 else dim for dim in shape], f"{name}/shape")

    def shape_tensor(self, shape: Shape, name: str) -> str:
        """The shape as an int64 vector, computed from the batch size where it depends on that."""
        batch = self._batch(name) if any(dim < 0 for dim in shape) else None
        if batch is None:
            return self.integers([abs(dim) for dim in shape], f"{name}/shape")
        factors = self.integers([max(-dim, 0) for dim in shape], f"{name}/factors")
        fixed = self.integers([max(dim, 0) for dim in shape], f"{name}/fixed_sizes")
        return self._step("Add", [self._step("Mul", [batch, factors], name), fixed], name)

    def _batch(self, name: str) -> str | None:
        """The batch size as an int64 vector of one entry; None if no input has it: then it is 1."""
        for value in self.inputs:
            for axis, dim in enumerate(value.shape):
                if dim < 0:
                    output = self.unique(f"{name}/batch")
                    self.node("Shape", [value.name], output, output, start=axis, end=axis + 1)
                    if dim == -1:
                        return output
                    return self._step(
                        "Div", [output, self.integers([-dim], f"{name}/factor")], name
                    )
        return None

    def _step(self, op: str, inputs: Sequence[str], name: str) -> str:
        output = self.unique(f"{name}/{op}")
        return self.node(op, inputs, output, output)

    # --- the end -------------------------------------------------------------------------------

    def rename(self, old: str, new: str) -> None:
        """Gives a tensor that nodes write another name."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for position, name in enumerate(names):
                    if name == old:
                        names[position] = new

    def graph(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> GraphProto:
        """The graph, without nodes and initializers that nothing reads."""
        needed = {value.name for value in outputs}
        kept: list[NodeProto] = []
        for node in reversed(self.nodes):
            if node.output[0] in needed:
                kept.append(node)
                needed.update(node.input)
        return helper.make_graph(
            kept[::-1],
            "intact",
            [_value_info(value) for value in inputs],
            [_value_info(value) for value in outputs],
            [tensor for name, tensor in self._tensors.items() if name in needed],
        )


def _value_info(value: Value) -> ValueInfoProto:
    element = element_type(value.dtype.storage)
    return helper.make_tensor_value_info(value.name, element, symbolic(value.shape))


def _unique(name: str, taken: set[str]) -> str:
    free = free_name(name, taken)
    taken.add(free)
    return free
