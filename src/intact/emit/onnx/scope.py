"""The names that one Program node gives to what it writes."""

from collections.abc import Sequence
from dataclasses import dataclass

from intact.emit.onnx.writer import Attribute, Writer
from intact.numerics.arrays import Array


@dataclass(frozen=True, slots=True)
class Scope:
    """Nodes and tensors of the Program node `name`.

    The node that writes the tensor `result` has the Program's name; those before it are called
    `name/OpType`.
    """

    writer: Writer
    name: str
    result: str

    def step(self, op: str, inputs: Sequence[str], **attributes: Attribute) -> str:
        """A node on the way to the result; returns its output."""
        output = self.writer.unique(f"{self.name}/{op}")
        return self.writer.node(op, inputs, output, output, **attributes)

    def last(self, op: str, inputs: Sequence[str], **attributes: Attribute) -> str:
        """The node that writes the result."""
        return self.writer.node(op, inputs, self.result, self.name, **attributes)

    def constant(self, array: Array, suffix: str) -> str:
        """An initializer of this node."""
        return self.writer.constant(array, f"{self.name}/{suffix}")

    def integers(self, numbers: Sequence[int], suffix: str) -> str:
        """An int64 vector of this node."""
        return self.writer.integers(numbers, f"{self.name}/{suffix}")
