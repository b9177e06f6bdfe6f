"""A Program as a native network, and its memory at a batch size."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from intact.errors import UnsupportedOpError
from intact.exec.native.build import build
from intact.exec.native.building import Constants, dtype
from intact.exec.native.library import native
from intact.exec.native.parts import samples_at_once
from intact.exec.native.weight_only import kept_packed
from intact.exec.reference import fold
from intact.ir.float_ops import Reshape
from intact.ir.graph import Graph, Node, Value, free_name, with_batch
from intact.ir.int_ops import IntOp, Program
from intact.ir.memory import MemoryPlan, plan
from intact.numerics.arrays import Array

_ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
_MAX_AXES = 8  # of Shape in csrc/core/tensor.h


@dataclass(frozen=True, slots=True)
class Translated:
    """A native network with what is needed to place its values.

    `program` has the user's inputs and outputs; its nodes are those that run, each output written
    by a node of its own. `aliases` share the storage of another value.
    """

    program: Program
    network: native.Network
    numbers: Mapping[str, int]  # of the native values, by name, in order
    aliases: Mapping[str, str]
    sources: Mapping[str, str]  # the value that each program output is computed as, in order
    ops: Mapping[str, str]  # class of each step's operation, by name

    def samples_at_once(self, batch: int) -> int:
        """How many of `batch` samples a plan should be for."""
        if batch <= 1:
            return batch
        return samples_at_once(self.program, batch, self._placed(1).size)

    def plan(self, batch: int, threads: int) -> native.Plan:
        """The network at a batch size, with its arena."""
        program = self.program
        inputs = {value.name: k for k, value in enumerate(program.inputs)}
        outputs = {name: k for k, name in enumerate(self.sources.values())}
        placed = self._placed(batch)
        shapes = {value.name: value.shape for value in program.values()}
        locations = []
        for name in self.numbers:
            place, offset = native.Place.constant, 0
            if name in inputs:
                place, offset = native.Place.input, inputs[name]
            elif name in outputs:
                place, offset = native.Place.output, outputs[name]
            elif name in self.aliases:
                place, offset = native.Place.alias, self.numbers[self.aliases[name]]
            elif name in placed.offsets:
                place, offset = native.Place.arena, placed.offsets[name]
            locations.append((with_batch(shapes[name], batch), place, offset))
        return native.plan(self.network, locations, placed.size, threads)

    def _placed(self, batch: int) -> MemoryPlan:
        return plan(
            replace(self.program, outputs=()),
            batch,
            aliases=self.aliases,
            elsewhere={*(value.name for value in self.program.inputs), *self.sources.values()},
            alignment=_ALIGNMENT,
        )


def translate(program: Program, isa: native.Isa) -> Translated:
    """Folds what is constant, and builds the native form of every other node, up to level `isa`.

    Raises:
        UnsupportedOpError: if an operation or a value has no native form.
    """
    packed = kept_packed(program)
    arrays, nodes = fold(program, packed)
    running = [node for node in nodes if node.name not in packed]
    constants = Constants(arrays, packed, isa)
    running, sources = _own_outputs(program, running)
    aliases = {
        node.name: node.inputs[0].name
        for node in running
        if isinstance(node.op, Reshape)
        and node.name not in sources.values()
        and node.inputs[0].name not in arrays
    }
    network = native.Network()
    numbers: dict[str, int] = {}
    for value in program.inputs:
        numbers[value.name] = network.add_value(_dtype_of(value))
    for node in running:
        _add(node, constants, network, numbers, aliased=node.name in aliases)
    ops = {node.name: type(node.op).__name__ for node in running}
    shown = Graph(program.inputs, program.outputs, tuple(running), arrays)
    return Translated(shown, network, numbers, aliases, sources, ops)


def _add(
    node: Node[IntOp],
    constants: Constants,
    network: native.Network,
    numbers: dict[str, int],
    *,
    aliased: bool,
) -> None:
    """Adds the node's step, unless it is an alias, after the constants that it reads."""
    if aliased:
        numbers[node.name] = network.add_value(_dtype_of(node.output))
        return
    made = build(node, constants)
    for value in made.inputs:
        if value.name not in numbers:
            _dtype_of(value)
            numbers[value.name] = network.add_constant(_contiguous(constants.arrays[value.name]))
    numbers[node.name] = network.add_value(_dtype_of(node.output))
    inputs = [numbers[value.name] for value in made.inputs]
    network.add_step(node.name, made.op, inputs, numbers[node.name])


def _dtype_of(value: Value) -> native.DType:
    """How a value is stored, if the engine takes values of its axes and format."""
    if len(value.shape) > _MAX_AXES:
        raise UnsupportedOpError(
            f'"{value.name}" has {len(value.shape)} axes, of which the native engine takes at most'
            f' {_MAX_AXES}; use executor="reference"'
        )
    return dtype(value.dtype)


def _contiguous(array: Array) -> Array:
    return array if array.flags.c_contiguous else array.copy()


def _own_outputs(
    program: Program, nodes: list[Node[IntOp]]
) -> tuple[list[Node[IntOp]], dict[str, str]]:
    """Copies program outputs that no node, or an earlier output, has written for them alone."""
    written = {node.name for node in nodes}
    taken = {value.name for value in program.values()}
    sources: dict[str, str] = {}
    copies = []
    for value in dict.fromkeys(program.outputs):
        if value.name in written and value.name not in sources.values():
            sources[value.name] = value.name
            continue
        copied = Value(free_name(f"{value.name}.copy", taken), value.shape, value.dtype)
        taken.add(copied.name)
        copies.append(Node[IntOp](Reshape(value.shape), (value,), copied))
        sources[value.name] = copied.name
    return [*nodes, *copies], sources
