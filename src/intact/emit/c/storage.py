"""Where the values of one sample lie: in one static arena, inputs and outputs too."""

from collections.abc import Mapping
from dataclasses import dataclass

from intact.emit.c import cmsis_nn
from intact.emit.c.cmsis_nn import Scratch
from intact.emit.c.library import Kernels
from intact.emit.c.loops import LOOP_ALIGNMENT, LoopMemory, is_loop, loop_memory, one_sample
from intact.emit.c.names import free_identifier, identifier
from intact.ir.float_ops import Reshape
from intact.ir.graph import Graph, Node, Value, free_name, with_batch
from intact.ir.int_ops import IntOp, Program, QScan
from intact.ir.memory import NO_SCRATCH, MemoryPlan, plan_device
from intact.ir.scans import unrolled

ALIGNMENT = 4  # bytes: a word, of which kernels may load several codes at once


@dataclass(frozen=True, slots=True)
class Storage:
    """C expressions of pointers to the values and to scratch memory, by name."""

    places: Mapping[str, str]
    scratch: Mapping[str, Scratch]  # of the nodes that need some
    loops: Mapping[str, LoopMemory]  # by the node's name
    inputs: tuple[str, ...]  # names of parameters, in order
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

    if not all(is_loop(node) for node in program.nodes if isinstance(node.op, QScan)):
        program = unrolled(program)
    nodes = [
        Node(one_sample(n, one), tuple(map(one, n.inputs)), one(n.output)) for n in program.nodes
    ]
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


def store(program: Program, ram: int | None = None, kernels: Kernels = Kernels.PORTABLE) -> Storage:
    """Places all values in the arena; inputs give their room to others once they are read.

    An arena of `ram` bytes is small enough; by default it is as small as can be found.
    """
    widest = max(value.dtype.storage.itemsize for value in program.values())
    sizes = cmsis_nn.scratch_sizes(program) if kernels is Kernels.CMSIS_NN else NO_SCRATCH
    loops = {n.name: loop_memory(n, program) for n in program.nodes if isinstance(n.op, QScan)}
    bodies = {name: memory.size for name, memory in loops.items()}
    alignment = max(widest, LOOP_ALIGNMENT if loops else ALIGNMENT)
    planned = plan_device(program, ram, scratch={**sizes, **bodies}, alignment=alignment)
    places = {name: _pointer(offset) for name, offset in planned.offsets.items()}
    scratch = {
        n: Scratch(_pointer(at), sizes[n]) for n, at in planned.scratch.items() if n in sizes
    }
    inputs, outputs = _parameters("in", program.inputs), _parameters("out", program.outputs)
    return Storage(places, scratch, loops, inputs, outputs, planned)


def _pointer(offset: int) -> str:
    return f"&arena.bytes[{offset}]"


def plan_storage(program: Program, ram: int, kernels: Kernels = Kernels.PORTABLE) -> MemoryPlan:
    """The memory of a Program as C, no smaller than `ram` if it need not be."""
    return store(for_one_sample(program), ram, kernels).plan


def _parameters(prefix: str, values: tuple[Value, ...]) -> tuple[str, ...]:
    """`in`, or `in_name` for each of several, told apart in capital letters too."""
    if len(values) == 1:
        return (prefix,)
    names: list[str] = []
    for value in values:
        names.append(free_identifier(f"{prefix}_{identifier(value.name).lower()}", names))
    return tuple(names)
