"""Operations that move codes."""

import numpy as np

from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.padding import emit_pad
from intact.emit.tflite.schema import BuiltinOperator, Options
from intact.emit.tflite.slicing import strided_slice
from intact.emit.tflite.values import sizes, unsupported
from intact.ir import float_ops as ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.qtensor import scalar_zero_point


def emit_permute(ledger: Ledger, node: Node[IntOp], op: ops.Permute) -> None:
    """TRANSPOSE, unless it only changes between an image and channels first."""
    x = node.inputs[0]
    if op.axes == (0, 3, 1, 2):
        ledger.images[node.name] = x  # a TRANSPOSE where something reads it so
        return
    if op.axes == (0, 2, 3, 1) and x.name in ledger.images:
        ledger.share(node.output, ledger.images[x.name])
        return
    ledger.transpose(ledger.read(x), op.axes, ledger.write(node.output))


def emit_slice(ledger: Ledger, node: Node[IntOp], op: ops.Slice) -> None:
    """STRIDED_SLICE."""
    source = ledger.read(node.inputs[0])
    ranges = {op.axis: (op.start, op.stop, op.step)}
    strided_slice(ledger, source, ranges, ledger.write(node.output))


def emit_expand(ledger: Ledger, node: Node[IntOp]) -> None:
    """BROADCAST_TO."""
    shape = ledger.integers(sizes(node.output), f"{node.name}/shape")
    inputs = [ledger.read(node.inputs[0]), shape]
    target = ledger.write(node.output)
    ledger.emit(BuiltinOperator.BROADCAST_TO, inputs, target, Options("BroadcastToOptions"))


def emit_concat(ledger: Ledger, node: Node[IntOp], op: ops.Concat) -> None:
    """CONCATENATION."""
    inputs = [ledger.read(value) for value in node.inputs]
    options = Options("ConcatenationOptions", {"Axis": op.axis})
    ledger.emit(BuiltinOperator.CONCATENATION, inputs, ledger.write(node.output), options)


def emit_padding(ledger: Ledger, node: Node[IntOp], op: ops.Pad) -> None:
    """PAD, PADV2 or MIRROR_PAD."""
    x = node.inputs[0]
    source = ledger.read(x)
    amounts = ledger.integers(np.asarray(op.pads), f"{node.name}/paddings")
    if op.mode is ops.PadMode.CONSTANT:
        zero = x.params is not None and scalar_zero_point(x.params) == op.value
        fill = None if zero else int(op.value)
        emit_pad(ledger, x, source, amounts, ledger.write(node.output), fill)
        return
    if op.mode is not ops.PadMode.REFLECT:
        raise unsupported(node, f"TFLite has no {op.mode.value} padding", "Export to .onnx or C.")
    target = ledger.write(node.output)
    options = Options("MirrorPadOptions", {"Mode": 0})  # reflects without the edge
    ledger.emit(BuiltinOperator.MIRROR_PAD, [source, amounts], target, options)
