"""A Program as the parts of a C file."""

from dataclasses import dataclass

from intact.emit.c.calls import call
from intact.emit.c.declarations import Declarations
from intact.emit.c.kinds import Kinds
from intact.emit.c.names import free_identifier, identifier
from intact.emit.c.site import Site
from intact.emit.c.storage import Storage, for_one_sample, store
from intact.errors import UnsupportedOpError
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp, Program, QEmbedding
from intact.ir.macs import multiply_accumulates
from intact.numerics.formats import Float


@dataclass(frozen=True, slots=True)
class Step:
    """What model_run does for one node."""

    node: Node[IntOp]
    statements: tuple[str, ...]

    @property
    def about(self) -> str:
        """The node in a line."""
        macs = multiply_accumulates(self.node)
        more = f", {macs} multiply-accumulates" if macs else ""
        return f"{self.node.name}: {type(self.node.op).__name__}, {self.node.output.shape}{more}"


@dataclass(frozen=True, slots=True)
class Model:
    """A Program for one sample, and what its C file declares and does."""

    program: Program
    storage: Storage
    declarations: Declarations
    kinds: Kinds
    steps: tuple[Step, ...]

    @property
    def may_fail(self) -> bool:
        """Whether model_run looks at indices, which its caller gives."""
        return any(isinstance(step.node.op, QEmbedding) for step in self.steps)


def translate(program: Program) -> Model:
    """The C form of a Program from codes to codes.

    Raises:
        UnsupportedOpError: names the layer that computes with real numbers or has no kernel.
    """
    _check_integers(program)
    single = for_one_sample(program)
    storage = store(single)
    declarations, kinds = Declarations(), Kinds()
    taken: list[str] = []
    steps = []
    for node in single.nodes:
        if node.name in storage.plan.moved:
            continue
        name = free_identifier(identifier(node.name), taken)
        taken.append(name)
        site = Site(node, name, storage.places, single.constants, declarations, kinds)
        steps.append(Step(node, tuple(call(site))))
    return Model(single, storage, declarations, kinds, tuple(steps))


def _check_integers(program: Program) -> None:
    """Complains of the first value that holds real numbers."""
    for value in program.inputs:
        if isinstance(value.dtype, Float):
            raise _real(value, "the input")
    for node in program.nodes:
        real = [v for v in (*node.inputs, node.output) if isinstance(v.dtype, Float)]
        if real:
            raise _real(real[0], f'{type(node.op).__name__} at "{node.name}", where')


def _real(value: Value, where: str) -> UnsupportedOpError:
    return UnsupportedOpError(
        f'{where} "{value.name}" holds real numbers ({value.dtype}): C is written for networks of'
        " integers alone; quantize this layer too, with a recipe such as W8A8"
    )
