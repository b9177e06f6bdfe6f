"""Value, Node, Graph: the container that a captured network and a Program share.

Dimensions. A dimension that does not depend on the batch is its size. A dimension -k means k times
the batch size: -1 is the batch axis itself, -8 the folded batch-and-heads axis of an attention with
8 heads. So every graph is written once for all batch sizes.
"""

import math
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from intact.numerics.arrays import Array
from intact.numerics.formats import Format
from intact.numerics.qtensor import QuantParams

OpT = TypeVar("OpT", covariant=True)
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor that flows through a graph.

    `name` is what the user knows: the module path or ONNX node that computes it. `dtype` is the
    format of the stored codes (FP32 for real numbers). `params`, where codes stand for real
    numbers, says for which; params.format equals dtype.
    """

    name: str
    shape: Shape
    dtype: Format
    params: QuantParams | None = field(default=None, compare=False)


@dataclass(frozen=True)  # no slots on generics: Program(...) would fail in Python 3.11
class Node(Generic[OpT]):
    """One operation: its attributes, what it reads, the one value it writes."""

    op: OpT
    inputs: tuple[Value, ...]
    output: Value

    @property
    def name(self) -> str:
        """A node is called like the value it writes."""
        return self.output.name


@dataclass(frozen=True)
class Graph(Generic[OpT]):
    """Nodes in execution order; each value is written once, by a node, input or constant."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: tuple[Node[OpT], ...]
    constants: Mapping[str, Array]  # codes by value name

    def producers(self) -> dict[str, Node[OpT]]:
        """The node that writes each value, by value name."""
        return {node.output.name: node for node in self.nodes}

    def consumers(self) -> dict[str, list[Node[OpT]]]:
        """The nodes that read each value, by value name; graph outputs are not listed."""
        readers: dict[str, list[Node[OpT]]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(value.name for value in node.inputs):
                readers.setdefault(name, []).append(node)
        return readers

    def values(self) -> Iterator[Value]:
        """Every value once: inputs, constants as first read, outputs of nodes."""
        seen: set[str] = set()
        for value in (
            *self.inputs,
            *(v for node in self.nodes for v in (*node.inputs, node.output)),
        ):
            if value.name not in seen:
                seen.add(value.name)
                yield value


def with_batch(shape: Shape, batch: int) -> Shape:
    """The shape at a given batch size."""
    return tuple(-dim * batch if dim < 0 else dim for dim in shape)


def sample_slices(shape: Shape, number: int) -> tuple[slice, ...]:
    """Where sample `number` lies in a batch's array of this shape."""
    return tuple(
        slice(number * -dim, (number + 1) * -dim) if dim < 0 else slice(None) for dim in shape
    )


def elements(shape: Shape, batch: int = 1) -> int:
    """Number of elements at a given batch size."""
    return math.prod(with_batch(shape, batch))


def free_name(wanted: str, taken: Container[str]) -> str:
    """`wanted`, or `wanted.1`, `wanted.2`, ...: the first that is not taken."""
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted}.{number}"
    return name
