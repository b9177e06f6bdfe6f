"""The one table from operations to CMSIS-NN's functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from intact.emit.c.cmsis_nn import elementwise, layers, pooling
from intact.emit.c.cmsis_nn.scratch import Scratch
from intact.emit.c.site import Site
from intact.ir import int_ops
from intact.ir.canonical import canonical
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp, Program
from intact.numerics.arrays import Array

HEAD = (
    "/* The functions arm_... are those of Arm's CMSIS-NN, version 7 or later: compile with its",
    " * folder Include among the include paths, and link the library. The self-test tells whether",
    " * a build of it computes the reference's codes. */",
    "#include <arm_nnfunctions.h>",
    "#ifdef CMSIS_NN_USE_SINGLE_ROUNDING",
    '#error "These codes need double rounding: CMSIS-NN without CMSIS_NN_USE_SINGLE_ROUNDING"',
    "#endif",
)


@dataclass(frozen=True, slots=True)
class Function:
    """What takes the place of one operation's portable kernel."""

    difference: Callable[..., str | None]  # (op, node, constants) → why not, or None
    scratch: Callable[..., int]  # (op, node) → bytes
    call: Callable[..., list[str]]  # (op, site, scratch) → statements


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether a node calls CMSIS-NN, and what to remark on it."""

    is_theirs: bool
    remark: str


_FUNCTIONS: Mapping[type, Function] = {
    int_ops.QConv2d: Function(layers.conv2d_difference, layers.conv2d_scratch, layers.conv2d),
    int_ops.QLinear: Function(layers.linear_difference, layers.linear_scratch, layers.linear),
    int_ops.QAdd: Function(elementwise.add_difference, elementwise.no_scratch, elementwise.add),
    int_ops.QSoftmax: Function(
        elementwise.softmax_difference, elementwise.no_scratch, elementwise.softmax
    ),
    int_ops.QMaxPool2d: Function(
        pooling.max_pool_difference, pooling.max_pool_scratch, pooling.max_pool2d
    ),
    int_ops.QAvgPool2d: Function(
        pooling.avg_pool_difference, pooling.avg_pool_scratch, pooling.avg_pool2d
    ),
}


def choose(node: Node[IntOp], constants: Mapping[str, Array]) -> Choice:
    """Whose function a node of one sample calls."""
    function = _FUNCTIONS.get(type(node.op))
    if function is None:
        return Choice(False, "")
    why_not = function.difference(canonical(node), node, constants)
    return Choice(True, "CMSIS-NN") if why_not is None else Choice(False, f"portable: {why_not}")


def scratch_sizes(program: Program) -> dict[str, int]:
    """Bytes of scratch memory of each node of one sample that calls CMSIS-NN, on any processor."""
    return {
        node.name: _FUNCTIONS[type(node.op)].scratch(canonical(node), node)
        for node in program.nodes
        if choose(node, program.constants).is_theirs
    }


def call(site: Site, scratch: Scratch) -> list[str]:
    """The statements of a node for which CMSIS-NN was chosen."""
    return _FUNCTIONS[type(site.node.op)].call(canonical(site.node), site, scratch)
