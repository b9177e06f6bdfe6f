"""Where the values of one sample lie: in one static arena, inputs and outputs too."""

from collections.abc import Mapping
from dataclasses import dataclass

from intact.emit.c.names import free_identifier, identifier
from intact.ir.float_ops import Reshape
from intact.ir.graph import Graph, Node, Value, free_name, with_batch
from intact.ir.int_ops import IntOp, Program
from intact.ir.memory import MemoryPlan, plan_device

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


def store(program: Program, ram: int | None = None) -> Storage:
    """Places all values in the arena; inputs give their room to others once they are read.

    An arena of `ram` bytes is small enough; by default it is as small as can be found.
    """
    widest = max(value.dtype.storage.itemsize for value in program.values())
    planned = plan_device(program, ram, alignment=max(widest, ALIGNMENT))
    places = {name: f"arena.bytes + {offset}" for name, offset in planned.offsets.items()}
    inputs, outputs = _parameters("in", program.inputs), _parameters("out", program.outputs)
    return Storage(places, inputs, outputs, planned)


def plan_storage(program: Program, ram: int) -> MemoryPlan:
    """The memory of a Program as C, no smaller than `ram` if it need not be."""
    return store(for_one_sample(program), ram).plan


def _parameters(prefix: str, values: tuple[Value, ...]) -> tuple[str, ...]:
    """`in`, or `in_name` for each of several."""
    if len(values) == 1:
        return (prefix,)
    names: list[str] = []
    for value in values:
        names.append(free_identifier(f"{prefix}_{identifier(value.name)}", names))
    return tuple(names)
