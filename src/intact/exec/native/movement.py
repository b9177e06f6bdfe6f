"""Native operations that move elements of any type."""

import numpy as np

from intact.exec.native.building import Built, Constants, built
from intact.exec.native.library import native
from intact.ir import float_ops as ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp


def permute(op: ops.Permute, node: Node[IntOp], constants: Constants) -> Built:
    """Permute."""
    return built(native.permute(op.axes, constants.isa), node)


def slice_(op: ops.Slice, node: Node[IntOp], constants: Constants) -> Built:
    """Slice."""
    del constants
    return built(native.slice_axis(op.axis, op.start, op.stop, op.step), node)


def expand(op: ops.Expand, node: Node[IntOp], constants: Constants) -> Built:
    """Expand."""
    del op, constants
    return built(native.expand(), node)


def pad(op: ops.Pad, node: Node[IntOp], constants: Constants) -> Built:
    """Pad."""
    del constants
    value = np.asarray([op.value]).astype(node.output.dtype.storage)
    before = [before for before, _ in op.pads]
    return built(native.pad(before, _pad_mode(op.mode), value.view(np.uint8)), node)


def _pad_mode(mode: ops.PadMode) -> native.PadMode:
    match mode:
        case ops.PadMode.CONSTANT:
            return native.PadMode.constant
        case ops.PadMode.REFLECT:
            return native.PadMode.reflect
        case ops.PadMode.REPLICATE:
            return native.PadMode.replicate
        case ops.PadMode.CIRCULAR:
            return native.PadMode.circular


def concat(op: ops.Concat, node: Node[IntOp], constants: Constants) -> Built:
    """Concat."""
    del constants
    return built(native.concat(op.axis), node, len(node.inputs))
