"""How much an operation computes."""

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Node, elements
from intact.ir.int_ops import IntOp
from intact.ir.scans import time_steps


def multiply_accumulates(node: Node[IntOp]) -> int:
    """Products that are summed for one sample; 0 for operations without a sum of products."""
    if isinstance(node.op, ops.Scan | int_ops.QScan):
        steps = len(time_steps(node.op, node.inputs[0].shape))
        return steps * sum(multiply_accumulates(inner) for inner in node.op.body.nodes)
    out = elements(node.output.shape)
    match node.op:
        case ops.Conv() | int_ops.QConv2d() | int_ops.DynamicConv2d():
            return out * elements(node.inputs[1].shape[1:])
        case ops.ConvTranspose():
            return elements(node.inputs[0].shape) * elements(node.inputs[1].shape[1:])
        case int_ops.QConvTranspose2d(groups=groups):
            channels, height, width, _ = node.inputs[1].shape
            return elements(node.inputs[0].shape) * channels // groups * height * width
        case ops.Linear() | int_ops.QLinear() | int_ops.DynamicLinear():
            return out * node.inputs[1].shape[1]
        case ops.MatMul() | int_ops.QMatMul():
            return out * elements(node.inputs[0].shape[-1:])
        case _:
            return 0
