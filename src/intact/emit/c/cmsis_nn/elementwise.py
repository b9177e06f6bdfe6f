"""Sums and softmax."""

from collections.abc import Mapping

from intact.emit.c.cmsis_nn import parts
from intact.emit.c.cmsis_nn.scratch import Scratch
from intact.emit.c.site import Site, code_range, volume
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp, Operand, QAdd, QSoftmax
from intact.numerics.arrays import Array

_LONGEST_ROW = 255  # of softmax: its last shift stays below 31 bits


def no_scratch(op: QAdd | QSoftmax, node: Node[IntOp]) -> int:
    """None."""
    del op, node
    return 0


def add_difference(op: QAdd, node: Node[IntOp], constants: Mapping[str, Array]) -> str | None:
    """Why not arm_elementwise_add_s8."""
    del constants
    if any(value.shape != node.output.shape for value in node.inputs):
        return "it broadcasts"
    found = parts.values_difference(*node.inputs, node.output)
    if found is None and not all(-30 <= side.shift <= 0 for side in (op.a, op.b)):
        return "an operand is scaled up, or by less than 2**-31"
    if found is None and op.requant.multiplier.size > 1:
        return "its channels have multipliers of their own"
    return found or parts.requant_difference(op.requant)


def add(op: QAdd, site: Site, memory: Scratch) -> list[str]:
    """QAdd."""
    del memory
    a, b = site.node.inputs
    requant = op.requant
    numbers = (requant.zero_point, int(requant.multiplier[0]), int(requant.shift[0]))
    clamp = (int(requant.qmin[0]), int(requant.qmax[0]))
    arguments = (
        *(parts.read(site, a), parts.read(site, b), *_operand(op.a), *_operand(op.b)),
        *(op.left_shift, parts.write(site), *numbers, *clamp, volume(site.out.shape)),
    )
    return [parts.checked("arm_elementwise_add_s8", tuple(map(str, arguments)))]


def _operand(side: Operand) -> tuple[int, int, int]:
    return -side.zero_point, side.multiplier, side.shift


def softmax_difference(
    op: QSoftmax, node: Node[IntOp], constants: Mapping[str, Array]
) -> str | None:
    """Why not arm_softmax_s8."""
    del constants
    found = parts.values_difference(node.inputs[0], node.output)
    if found is not None:
        return found
    if code_range(node.output) != (-128, 127):
        return f"its output is {node.output.dtype}, not all of int8"
    if node.output.shape[-1] > _LONGEST_ROW:
        return f"its rows are longer than {_LONGEST_ROW}"
    return None if 0 <= op.shift <= 30 else "its input is scaled down"


def softmax(op: QSoftmax, site: Site, memory: Scratch) -> list[str]:
    """QSoftmax."""
    del memory
    *leading, length = site.x.shape
    numbers = f"{volume(tuple(leading))}, {length}, {op.multiplier}, {op.shift}, {op.diff_min}"
    return [f"arm_softmax_s8({parts.read(site, site.x)}, {numbers}, {parts.write(site)});"]
