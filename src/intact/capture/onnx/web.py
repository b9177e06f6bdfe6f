"""A list of ONNX nodes with its edges, which the patterns look at and change."""

from collections.abc import Iterable, Sequence

from onnx import TensorProto

from intact.capture.onnx.facts import Facts
from intact.capture.onnx.node import OnnxNode
from intact.capture.onnx.walk import live
from intact.numerics.arrays import Array


class Web:
    """Nodes in order; `producers` and `readers` by value name."""

    def __init__(self, nodes: Sequence[OnnxNode], outputs: set[str], facts: Facts) -> None:
        self.outputs = outputs
        self.facts = facts
        self._set(nodes)

    def _set(self, nodes: Sequence[OnnxNode]) -> None:
        self.nodes = live(nodes, self.outputs)
        self.producers = {name: node for node in self.nodes for name in node.outputs if name}
        self.readers: dict[str, list[OnnxNode]] = {}
        for node in self.nodes:
            for name in node.inputs:
                self.readers.setdefault(name, []).append(node)

    def producer(self, name: str, op_type: str) -> OnnxNode | None:
        """The node that writes the value, if it is of this type."""
        node = self.producers.get(name)
        return node if node is not None and node.op_type == op_type else None

    def sole_reader(self, name: str) -> OnnxNode | None:
        """The node that reads the value, if it does so once and nothing else does."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def constant_operand(self, node: OnnxNode | None, op_type: str, other: str) -> str:
        """Name of the constant that a node of this type combines with `other`; empty if none."""
        if node is None or node.op_type != op_type or len(node.inputs) != 2:
            return ""
        names = [name for name in node.inputs if name != other]
        return names[0] if names and self.facts.static(names[0]) is not None else ""

    def replace(self, replacements: Iterable[OnnxNode]) -> None:
        """Puts each new node in the place of the one with the same first output."""
        new = {node.output: node for node in replacements}
        if new:
            self._set([new.get(node.output, node) for node in self.nodes])

    def parameter(self, name: str, array: Array, source: str = "") -> str:
        """Notes a constant that a pattern computed, and returns its name."""
        self.facts.add_constant(name, array, source or name, TensorProto.FLOAT)
        return name
