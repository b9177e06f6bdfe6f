"""Programs from codes to codes: what a device runs between its sensor's codes and its answer.

A Program takes the user's real tensors, channels first. Microcontrollers and TFLite files take the
codes themselves, channels last. `code_boundary` cuts a Program at these two borders; the parts
outside are Programs too, so that there is one definition of how real numbers become codes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from intact.ir.float_ops import Permute, Reshape
from intact.ir.graph import Graph, Node, Shape, Value
from intact.ir.int_ops import Dequantize, IntOp, Program, Quantize


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output as the user knows it, and as the Program between codes stores it."""

    user: Value
    stored: Value  # its `params` say what the codes mean
    axes: tuple[int, ...]  # axis i of `stored` is axis axes[i] of `user`


@dataclass(frozen=True, slots=True)
class CodeBoundary:
    """`after(program(before(x)))` is the whole Program; ports are in the order of its values."""

    before: Program  # the user's inputs to what `program` reads
    program: Program
    after: Program  # what `program` writes to the user's outputs
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def code_boundary(program: Program) -> CodeBoundary:
    """Cuts off `Quantize`, `Dequantize` and the changes of layout at a Program's ends.

    A value that more than one node reads stays as it is, as does one that no conversion follows.
    """
    readers, producers = program.consumers(), program.producers()
    outputs = {value.name for value in program.outputs}

    def reader(value: Value) -> Node[IntOp] | None:
        """The one node that reads the value."""
        nodes = readers.get(value.name, [])
        return nodes[0] if len(nodes) == 1 and value.name not in outputs else None

    def source(value: Value) -> Node[IntOp] | None:
        """The node that writes the value."""
        return producers.get(value.name)

    inputs = tuple(_input(value, reader) for value in program.inputs)
    stored_inputs = {port.stored.name for port in inputs}
    results = tuple(_output(value, source, stored_inputs) for value in program.outputs)
    first = tuple(port.stored for port in inputs)
    last = tuple(dict.fromkeys(port.stored for port in results))
    return CodeBoundary(
        between(program, program.inputs, first),
        between(program, first, last),
        between(program, last, program.outputs),
        inputs,
        results,
    )


def _input(value: Value, reader: Callable[[Value], Node[IntOp] | None]) -> Port:
    stored, axes = value, tuple(range(len(value.shape)))
    node = reader(stored)
    if node is not None and isinstance(node.op, Quantize):
        stored = node.output
        node = reader(stored)
    if node is not None and _moves_channels(node, stored.shape, node.output.shape):
        stored, axes = node.output, channels_last(len(axes))
    return Port(value, stored, axes)


def _output(value: Value, source: Callable[[Value], Node[IntOp] | None], inputs: set[str]) -> Port:
    stored, axes = value, tuple(range(len(value.shape)))
    node = source(stored) if stored.name not in inputs else None
    if node is not None and isinstance(node.op, Dequantize):
        stored = node.inputs[0]
        node = source(stored) if stored.name not in inputs else None
    if node is not None and _moves_channels(node, node.output.shape, node.inputs[0].shape):
        stored, axes = node.inputs[0], channels_last(len(axes))
    return Port(value, stored, axes)


def channels_last(rank: int) -> tuple[int, ...]:
    """The axes of a value that is stored with its axis 1, the channels, at the end."""
    return (0, *range(2, rank), 1) if rank > 2 else tuple(range(rank))


def _moves_channels(node: Node[IntOp], first: Shape, last: Shape) -> bool:
    """Whether the node only stores channels last what was channels first, or the reverse."""
    rank = len(first)
    axes = channels_last(rank)
    if rank <= 2 or last != tuple(first[axis] for axis in axes):
        return False
    match node.op:
        case Permute(order):
            return order in (axes, (0, rank - 1, *range(1, rank - 1)))
        case Reshape():  # moving the only channel, or the only pixel, moves nothing
            return first[1] == 1 or all(size == 1 for size in first[2:])
        case _:
            return False


def between(program: Program, inputs: tuple[Value, ...], outputs: Iterable[Value]) -> Program:
    """The part that computes `outputs` from `inputs`."""
    wanted = tuple(outputs)
    needed = {value.name for value in wanted}
    given = {value.name for value in inputs}
    nodes: list[Node[IntOp]] = []
    for node in reversed(program.nodes):
        if node.name in needed and node.name not in given:
            nodes.append(node)
            needed.update(value.name for value in node.inputs)
    constants = {name: array for name, array in program.constants.items() if name in needed}
    return Graph(inputs, wanted, tuple(reversed(nodes)), constants)
