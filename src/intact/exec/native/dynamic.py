"""Native layers that quantize what they read when they run."""

from intact.exec.native.building import Constants, weight
from intact.exec.native.library import native
from intact.exec.native.windows import window
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp


def conv2d(op: int_ops.DynamicConv2d, node: Node[IntOp], constants: Constants) -> native.Op:
    """DynamicConv2d."""
    _, codes, scale, bias = node.inputs
    return native.dynamic_conv2d(
        window(op),
        op.activation.bits,
        weight(codes, constants, None),
        constants.arrays[scale.name],
        constants.arrays[bias.name],
        constants.isa,
    )


def linear(op: int_ops.DynamicLinear, node: Node[IntOp], constants: Constants) -> native.Op:
    """DynamicLinear."""
    _, codes, scale, bias = node.inputs
    return native.dynamic_linear(
        op.activation.bits,
        weight(codes, constants, None),
        constants.arrays[scale.name],
        constants.arrays[bias.name],
        constants.isa,
    )
