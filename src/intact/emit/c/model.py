"""A Program as the parts of a C file."""

from dataclasses import dataclass

from intact.emit.c import cmsis_nn
from intact.emit.c.calls import call
from intact.emit.c.cmsis_nn import Choice, Scratch
from intact.emit.c.declarations import Declarations
from intact.emit.c.kinds import Kinds
from intact.emit.c.library import Kernels
from intact.emit.c.loops import loop
from intact.emit.c.names import DEFAULT_NAME, check_name, free_identifier, identifier
from intact.emit.c.ports import Port, ports
from intact.emit.c.site import Site
from intact.emit.c.storage import Storage, for_one_sample, store
from intact.errors import UnsupportedOpError
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp, Program, QEmbedding
from intact.ir.macs import multiply_accumulates
from intact.ir.scans import every_node
from intact.numerics.formats import Float


@dataclass(frozen=True, slots=True)
class Step:
    """What the function that runs the model does for one node."""

    node: Node[IntOp]
    statements: tuple[str, ...]
    constants: int  # how many constants are declared for it and the steps before
    choice: Choice

    @property
    def about(self) -> str:
        """The node in a line."""
        macs = multiply_accumulates(self.node)
        more = f", {macs} multiply-accumulates" if macs else ""
        more += f"; {self.choice.remark}" if self.choice.remark else ""
        return f"{self.node.name}: {type(self.node.op).__name__}, {self.node.output.shape}{more}"


@dataclass(frozen=True, slots=True)
class Model:
    """A Program for one sample, and what its C file declares and does."""

    name: str  # how names of its files and functions begin
    program: Program
    storage: Storage
    ports: tuple[Port, ...]
    declarations: Declarations
    kinds: Kinds
    steps: tuple[Step, ...]

    @property
    def has_indices(self) -> bool:
        """Whether it looks at indices, which the caller gives."""
        return any(isinstance(step.node.op, QEmbedding) for step in self.steps)

    @property
    def calls_cmsis_nn(self) -> bool:
        """Whether it calls functions that may refuse."""
        return any(step.choice.is_theirs for step in self.steps)

    @property
    def may_fail(self) -> bool:
        """Whether running it returns a number."""
        return self.has_indices or self.calls_cmsis_nn


def translate(
    program: Program, kernels: Kernels = Kernels.PORTABLE, name: str = DEFAULT_NAME
) -> Model:
    """The C form of a Program from codes to codes.

    With CMSIS-NN, layers of which it computes other integers keep their portable kernels.

    Raises:
        ValueError: if the model cannot have that name.
        UnsupportedOpError: names the layer that computes with real numbers or has no kernel.
    """
    check_name(name)
    _check_integers(program)
    single = for_one_sample(program)
    storage = store(single, kernels=kernels)
    model_ports = ports(single, storage, name)
    reserved = {n for port in model_ports for n in (port.function, port.parameter)}
    declarations, kinds = Declarations(reserved), Kinds()
    taken: list[str] = []
    steps = []
    for node in single.nodes:
        if node.name in storage.plan.moved:
            continue
        layer = free_identifier(identifier(node.name), taken)
        taken.append(layer)
        site = Site(node, layer, storage.places, single.constants, declarations, kinds)
        choice = _choose(site, kernels)
        if node.name in storage.loops:
            base = storage.plan.scratch[node.name]
            statements = loop(site, storage.loops[node.name], base, call)
        else:
            statements = _theirs(site, storage) if choice.is_theirs else call(site)
        steps.append(Step(node, tuple(statements), len(declarations.items), choice))
    return Model(name, single, storage, model_ports, declarations, kinds, tuple(steps))


def _choose(site: Site, kernels: Kernels) -> Choice:
    if kernels is Kernels.PORTABLE:
        return Choice(is_theirs=False, remark="")
    return cmsis_nn.choose(site.node, site.constants)


def _theirs(site: Site, storage: Storage) -> list[str]:
    return cmsis_nn.call(site, storage.scratch.get(site.node.name, Scratch("NULL", 0)))


def _check_integers(program: Program) -> None:
    """Complains of the first operation on real numbers."""
    for node in (*program.nodes, *every_node(program)):
        real = next((v for v in (*node.inputs, node.output) if isinstance(v.dtype, Float)), None)
        if real is not None:
            raise UnsupportedOpError(
                f'{type(node.op).__name__} at "{node.name}" cannot be exported to C: "{real.name}"'
                f" holds real numbers ({real.dtype}), and C is written for integers alone; quantize"
                " this layer too, with a recipe such as W8A8"
            )
    for value in program.inputs:
        if isinstance(value.dtype, Float):
            raise UnsupportedOpError(f'"{value.name}" holds real numbers, and nothing quantizes it')
