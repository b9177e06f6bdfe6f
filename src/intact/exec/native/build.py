"""The one table from operations to the functions that build their native form."""

from collections.abc import Callable, Mapping

from intact.errors import UnsupportedOpError
from intact.exec.native import elementwise, linear
from intact.exec.native.building import Built, Constants, built
from intact.exec.native.library import native
from intact.ir import float_ops, int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp


def _copy(op: float_ops.Reshape, node: Node[IntOp], constants: Constants) -> Built:
    del op, constants
    return built(native.copy(), node)


# (op, node, constants) → the native operation.
_BUILDERS: Mapping[type, Callable[..., Built]] = {
    int_ops.QConv2d: linear.conv2d,
    int_ops.QLinear: linear.linear,
    int_ops.QMatMul: linear.matmul,
    int_ops.Lookup: elementwise.lookup,
    float_ops.Reshape: _copy,
}


def build(node: Node[IntOp], constants: Constants) -> Built:
    """The node's native operation.

    Raises:
        UnsupportedOpError: if there is none.
    """
    try:
        builder = _BUILDERS[type(node.op)]
    except KeyError:
        raise UnsupportedOpError(
            f'{type(node.op).__name__} at "{node.name}" has no native form;'
            ' use executor="reference"'
        ) from None
    return builder(node.op, node, constants)
