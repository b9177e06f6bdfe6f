"""One node of an ONNX graph with typed access to its attributes, and how errors name it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import onnx
from onnx import AttributeProto, numpy_helper

from intact.errors import FormatError, UnsupportedOpError
from intact.numerics.arrays import Array

Attribute: TypeAlias = int | float | str | tuple[int, ...] | tuple[float, ...] | Array


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """A node; `inputs` and `outputs` are value names, empty for an absent optional one.

    `opset` is the version whose semantics hold. Patterns that were recognised are nodes as well.
    """

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The first, and for most operations only, output."""
        return self.outputs[0]

    def input(self, index: int) -> str:
        """Name of an input; empty if it is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def integer(self, name: str, default: int) -> int:
        """An attribute of type int."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise self.malformed(f"attribute {name} is not an integer")
        return value

    def number(self, name: str, default: float) -> float:
        """An attribute of type float."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float):
            raise self.malformed(f"attribute {name} is not a number")
        return float(value)

    def text(self, name: str, default: str) -> str:
        """An attribute of type string."""
        value = self.attributes.get(name, default)
        if not isinstance(value, str):
            raise self.malformed(f"attribute {name} is not a string")
        return value

    def integers(self, name: str) -> tuple[int, ...] | None:
        """An attribute that is a list of ints; None if it is absent."""
        value = self.attributes.get(name)
        if value is None:
            return None
        if not isinstance(value, tuple):
            raise self.malformed(f"attribute {name} is not a list of integers")
        return tuple(int(element) for element in value)

    def numbers(self, name: str) -> tuple[float, ...] | None:
        """An attribute that is a list of floats; None if it is absent."""
        value = self.attributes.get(name)
        if value is None:
            return None
        if not isinstance(value, tuple):
            raise self.malformed(f"attribute {name} is not a list of numbers")
        return tuple(float(element) for element in value)

    def malformed(self, why: str) -> FormatError:
        """The error for a node that no valid file holds."""
        return FormatError(f'ONNX {self.op_type} "{self.name}": {why}')

    def unsupported(self, why: str, remedy: str) -> UnsupportedOpError:
        """The error for a node that intact cannot express; `why` follows the node's name."""
        return UnsupportedOpError(f'ONNX {self.op_type} "{self.name}" {why}. {remedy}')


def read_nodes(graph: onnx.GraphProto, opset: int) -> list[OnnxNode]:
    """The graph's nodes in order.

    Raises:
        UnsupportedOpError: for a node of a domain that is not ONNX's own.
        FormatError: for attributes that cannot be read.
    """
    return [_read_node(proto, opset) for proto in graph.node]


def _read_node(proto: onnx.NodeProto, opset: int) -> OnnxNode:
    outputs = tuple(proto.output)
    name = proto.name or next((output for output in outputs if output), proto.op_type)
    node = OnnxNode(name, proto.op_type, tuple(proto.input), outputs, opset)
    if proto.domain not in ("", "ai.onnx"):
        raise node.unsupported(
            f"belongs to the domain {proto.domain}",
            "Export the network again with ONNX's own operations only, without runtime-specific"
            " optimization",
        )
    if not outputs or not outputs[0]:
        raise node.malformed("has no output")
    attributes = {attribute.name: _read_attribute(node, attribute) for attribute in proto.attribute}
    return OnnxNode(name, proto.op_type, node.inputs, outputs, opset, attributes)


def _read_attribute(node: OnnxNode, proto: AttributeProto) -> Attribute:
    match proto.type:
        case AttributeProto.INT:
            return int(proto.i)
        case AttributeProto.FLOAT:
            return float(proto.f)
        case AttributeProto.STRING:
            text = proto.s.decode("utf-8", errors="replace")
            return "".join(c if c.isprintable() else "?" for c in text)
        case AttributeProto.INTS:
            return tuple(int(element) for element in proto.ints)
        case AttributeProto.FLOATS:
            return tuple(float(element) for element in proto.floats)
        case AttributeProto.TENSOR:
            return read_tensor(proto.t, f"attribute {proto.name} of {node.name}")
        case _:
            raise node.unsupported(
                f"has attribute {proto.name}, a graph, sequence or type",
                "Export the network without control flow",
            )


def read_tensor(proto: onnx.TensorProto, where: str) -> Array:
    """The tensor as an array.

    Raises:
        FormatError: if its data do not fit its shape.
    """
    try:
        return numpy_helper.to_array(proto)
    except Exception as error:  # onnx and protobuf raise many kinds here
        raise FormatError(f"the tensor in {where} cannot be read: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """The beginning of an error message of another library, in one line."""
    text = str(error).strip()
    return re.sub(r"\s+", " ", text.splitlines()[0])[:200] if text else type(error).__name__
