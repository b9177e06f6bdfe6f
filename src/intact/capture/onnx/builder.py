"""Collects the nodes and constants of a Graph while the ONNX nodes are translated in order."""

from collections.abc import Iterable, Sequence

import numpy as np

from intact.capture.onnx.facts import Facts
from intact.capture.onnx.node import OnnxNode
from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Shape, Value, free_name
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32, Float, Format, Int

# Operations that move elements of any type.
_MOVES = (ops.Reshape, ops.Permute, ops.Slice, ops.Expand, ops.Concat, ops.Pad, ops.Embedding)


class Builder:
    """One translation. Values are found by their ONNX name and called like the node they are from.

    Names are given in this order: graph inputs, the file's initializers, nodes; who comes second
    gets a number behind it.
    """

    def __init__(
        self,
        facts: Facts,
        inputs: Iterable[str],
        initializers: Iterable[str],
        read: Iterable[str],
    ) -> None:
        """`read` are the names of all values that a node reads or the graph gives out."""
        self.facts = facts
        self.nodes: list[Node[FloatOp]] = []
        self.constants: dict[str, Array] = {}
        self.values: dict[str, Value] = {}
        self._inputs = [Value(name, facts.shape(name), facts.dtype(name)) for name in inputs]
        self.values.update((value.name, value) for value in self._inputs)
        self._read = set(read)
        self._initializers = set(initializers)
        self._taken = {value.name for value in self._inputs} | self._initializers

    def graph(self, outputs: Sequence[str]) -> Graph[FloatOp]:
        """The finished graph.

        Raises:
            UnsupportedOpError: if an output does not depend on any input.
        """
        for name in outputs:
            if name not in self.values:
                raise UnsupportedOpError(
                    f'the ONNX output "{name}" is a constant. Remove it from the network\'s outputs'
                )
        results = tuple(self._named(name) for name in outputs)
        return Graph(tuple(self._inputs), results, tuple(self.nodes), self.constants)

    def _named(self, output: str) -> Value:
        """The value of an output under the name by which users of the file ask for it."""
        value = self.values[output]
        if value.name == output or output in self._taken:
            return value
        self._taken.add(output)
        named = Value(output, value.shape, value.dtype)
        self.nodes.append(Node(ops.Reshape(value.shape), (value,), named))
        return named

    # --- reading -----------------------------------------------------------------------------

    def value(self, node: OnnxNode, index: int = 0) -> Value:
        """An input of a node, which may be a constant; one of (batch, ...) is expanded to it.

        Raises:
            FormatError: if the input is absent.
        """
        name = node.input(index)
        if name in self.values:
            return self.values[name]
        if name not in self.facts.known:
            raise node.malformed(f"input {index} is absent")
        reduced = self.operand(node, index)
        shape = self.facts.shape(name)
        if reduced.shape == shape:
            return reduced
        expanded = self.step(f"{name}.expand", ops.Expand(shape), [reduced], shape)
        self.values[name] = expanded
        return expanded

    def operand(self, node: OnnxNode, index: int) -> Value:
        """As `value`, but a constant that repeats along the batch has size 1 there."""
        name = node.input(index)
        if name in self.values or name not in self.facts.known:
            return self.value(node, index)
        known = self.facts.known[name]
        array = known.arrays[0]
        for axis, dim in enumerate(self.facts.shape(name)):
            if dim < 0:
                array = array.take([0], axis)
        if known.varies and not all(_repeats(other, array) for other in known.arrays):
            raise node.unsupported(
                "reads numbers that are computed from the batch size",
                "Export the network so that each sample of a batch is computed alone",
            )
        return self.constant(known.source, array)

    def parameter(self, node: OnnxNode, index: int) -> Array:
        """A constant input that must not depend on the batch.

        Raises:
            UnsupportedOpError: if it is computed by the network.
            FormatError: if it is absent.
        """
        name = node.input(index)
        if not name:
            raise node.malformed(f"input {index} is absent")
        array = self.facts.static(name)
        if array is None:
            raise node.unsupported(
                f'reads "{name}" where intact needs a constant',
                "Make it an initializer of the file, for instance by an export that folds it",
            )
        return array

    def extra_outputs(self, node: OnnxNode) -> bool:
        """Whether any output but the first is used."""
        return not self._read.isdisjoint(filter(None, node.outputs[1:]))

    def integers(self, node: OnnxNode, attribute: str, index: int) -> tuple[int, ...] | None:
        """A list of ints that older opsets hold in an attribute, newer ones in an input."""
        if attribute in node.attributes:
            return node.integers(attribute)
        if not node.input(index):
            return None
        return tuple(int(element) for element in self.parameter(node, index).reshape(-1))

    def constant(self, name: str, array: Array) -> Value:
        """A constant called `name`, or, if that is another one already, with a number behind it."""
        codes = np.ascontiguousarray(_plain(array)).reshape(array.shape)
        unique, suffix = name, 0
        while not self._is_free(unique):
            existing = self.constants.get(unique)
            if existing is not None and _same(existing, codes):
                return Value(unique, existing.shape, _format(existing))
            suffix += 1
            unique = f"{name}.{suffix}"
        self._taken.add(unique)
        self.constants[unique] = codes
        return Value(unique, codes.shape, _format(codes))

    def _is_free(self, name: str) -> bool:
        if name in self._initializers:
            return name not in self.constants
        return name not in self._taken

    # --- writing -----------------------------------------------------------------------------

    def emit(self, node: OnnxNode, op: FloatOp, *inputs: Value, index: int = 0) -> None:
        """Adds the operation that writes an output of the node."""
        output = node.outputs[index]
        name = f"{node.name}.{index}" if len(node.outputs) > 1 else node.name
        self._check_types(node, op, inputs)
        self.values[output] = self.step(name, op, inputs, self.facts.shape(output))

    def step(self, name: str, op: FloatOp, inputs: Sequence[Value], shape: Shape) -> Value:
        """Adds an operation; the value's name is made unique."""
        dtype = FP32 if isinstance(op, ops.Embedding) else inputs[0].dtype
        value = Value(self._unique(name), shape, dtype)
        self.nodes.append(Node(op, tuple(inputs), value))
        return value

    def alias(self, node: OnnxNode, value: Value, index: int = 0) -> None:
        """The node's output is this value; nothing is added."""
        self.values[node.outputs[index]] = value

    def _check_types(self, node: OnnxNode, op: FloatOp, inputs: Sequence[Value]) -> None:
        if not isinstance(op, _MOVES) and not all(isinstance(v.dtype, Float) for v in inputs):
            raise node.unsupported(
                "computes with integers or booleans that depend on the network's input",
                "Compute them outside of the network and pass them as an input",
            )

    def _unique(self, name: str) -> str:
        free = free_name(name, self._taken)
        self._taken.add(free)
        return free


def _repeats(array: Array, sample: Array) -> bool:
    return bool(np.array_equal(array, np.broadcast_to(sample, array.shape)))


def _same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b)


def _plain(array: Array) -> Array:
    """Real numbers as float32; integers as they are."""
    return array if array.dtype.kind in "iu" else np.asarray(array, np.float32)


def _format(codes: Array) -> Format:
    if codes.dtype.kind == "f":
        return FP32
    return Int(codes.dtype.itemsize * 8, signed=codes.dtype.kind == "i")
