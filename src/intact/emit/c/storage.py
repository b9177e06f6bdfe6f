"""Where the values of one sample lie: in the caller's buffers, or in one static arena."""

from collections.abc import Mapping
from dataclasses import dataclass

from intact.emit.c.names import free_identifier, identifier
from intact.ir.float_ops import Reshape
from intact.ir.graph import Graph, Node, Value, free_name, with_batch
from intact.ir.int_ops import IntOp, Program
from intact.ir.memory import MemoryPlan, Place, plan_device

ALIGNMENT = 4  # bytes: a word, of which kernels may load several codes at once


@dataclass(frozen=True, slots=True)
class Storage:
    """C expressions of pointers to the values, by name."""

    places: Mapping[str, str]
    inputs: tuple[str, ...]  # names of model_run's parameters, in order
    outputs: tuple[str, ...]
    plan: MemoryPlan

    @property
    def arena(self) -> int:
        """Bytes of the arena."""
        return -(-self.plan.size // ALIGNMENT) * ALIGNMENT


def for_one_sample(program: Program) -> Program:
    """The same with every dimension a number, and every output written by a node of its own."""

    def one(value: Value) -> Value:
        return Value(value.name, with_batch(value.shape, 1), value.dtype, value.params)

    nodes = [Node(n.op, tuple(map(one, n.inputs)), one(n.output)) for n in program.nodes]
    written = {node.name for node in nodes}
    taken = {value.name for value in program.values()} | program.constants.keys()
    outputs = []
    for value in map(one, program.outputs):
        if value.name in written:
            written.remove(value.name)
            outputs.append(value)
            continue
        copied = Value(
            free_name(f"{value.name}.copy", taken), value.shape, value.dtype, value.params
        )
        taken.add(copied.name)
        nodes.append(Node(Reshape(value.shape), (value,), copied))
        outputs.append(copied)
    inputs = tuple(map(one, program.inputs))
    return Graph[IntOp](inputs, tuple(outputs), tuple(nodes), program.constants)


def store(program: Program) -> Storage:
    """Places the values: inputs and outputs where the caller has them, all others in the arena."""
    inputs = _parameters("in", program.inputs)
    outputs = _parameters("out", program.outputs)
    given = {
        value.name: name
        for name, value in zip(
            (*inputs, *outputs), (*program.inputs, *program.outputs), strict=True
        )
    }
    planned = plan_device(program, elsewhere=given, alignment=ALIGNMENT)
    places = {place.name: _pointer(place, given) for place in planned.places}
    return Storage(places, inputs, outputs, planned)


def _pointer(place: Place, given: Mapping[str, str]) -> str:
    if place.inside is None:
        return f"arena.bytes + {place.offset}"
    buffer = given[place.inside]
    if place.offset == 0:
        return buffer
    const = "const " if buffer.startswith("in") else ""
    return f"({const}uint8_t*){buffer} + {place.offset}"


def _parameters(prefix: str, values: tuple[Value, ...]) -> tuple[str, ...]:
    """`in`, or `in_name` for each of several."""
    if len(values) == 1:
        return (prefix,)
    names: list[str] = []
    for value in values:
        names.append(free_identifier(f"{prefix}_{identifier(value.name)}", names))
    return tuple(names)
