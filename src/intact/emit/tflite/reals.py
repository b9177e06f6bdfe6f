"""Real constants, and weights that are stored as codes."""

import numpy as np

from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.schema import BuiltinOperator, Options, Quantization, TensorType
from intact.emit.tflite.values import unsupported
from intact.ir.graph import Node, Shape, Value
from intact.ir.int_ops import Dequantize, IntOp
from intact.numerics.arrays import F32, Array
from intact.numerics.formats import FP16, Int


def emit_dequantize(ledger: Ledger, node: Node[IntOp]) -> None:
    """DEQUANTIZE; that of a constant stands where it is read."""
    x = node.inputs[0]
    if x.name in ledger.program.constants:
        ledger.stored[node.name] = node
        axes = tuple(range(len(x.shape)))
        ledger.when_read[node.name] = lambda: real_weight(ledger, node.output, axes)
        return
    source, target = ledger.read(x), ledger.write(node.output)
    ledger.emit(BuiltinOperator.DEQUANTIZE, [source], target, Options("DequantizeOptions"))


def real_weight(ledger: Ledger, value: Value, axes: tuple[int, ...]) -> int:
    """A weight with its axes in another order; with one more axis, rows become images first.

    Constants are stored in this order; codes stand before a DEQUANTIZE. What the network computes
    is transposed by it.
    """
    rows = len(axes) == 4 and len(value.shape) == 3
    shape = _image(value.shape) if rows else value.shape
    if value.name in ledger.stored:
        return _dequantized(ledger, ledger.stored[value.name], value, axes, shape)
    if value.name in ledger.program.constants:
        array = ledger.program.constants[value.name].reshape(shape).transpose(axes)
        return ledger.constant(value.name, array, TensorType.FLOAT32)
    target = ledger.temporary(f"{value.name}/moved", tuple(shape[axis] for axis in axes), value)
    return ledger.transpose(ledger.read_as(value, shape), axes, target)


def _image(shape: Shape) -> Shape:
    return (*shape[:2], 1, *shape[2:])


def _scale(scale: F32, rank: int) -> F32:
    """Scales of the rank of what they scale."""
    if scale.ndim == 0:
        return scale.reshape((1,) * rank)
    return scale if scale.ndim == rank else scale.reshape(_image(scale.shape))


def _dequantized(
    ledger: Ledger, node: Node[IntOp], value: Value, axes: tuple[int, ...], shape: Shape
) -> int:
    op, name = node.op, node.inputs[0].name
    assert isinstance(op, Dequantize)
    format = op.params.format
    codes = ledger.program.constants[name].reshape(shape).transpose(axes)
    scale = _scale(op.params.scale, len(shape)).transpose(axes)
    if format == FP16 and (scale == 1).all():
        source = ledger.constant(name, codes.view(np.float16), TensorType.FLOAT16)
        return _dequantize(ledger, source, value, codes.shape)
    symmetric = not op.params.offset.any()
    if not isinstance(format, Int) or not format.signed or format.bits > 8 or not symmetric:
        raise unsupported(
            node,
            f"TFLite has no weights of {'asymmetric ' if not symmetric else ''}{format}",
            "Choose the recipe float16, W8 or dynamic-int8, or export to .onnx.",
        )
    several = [axis for axis, n in enumerate(scale.shape) if n != 1]
    if len(several) > 1 or any(scale.shape[axis] != codes.shape[axis] for axis in several):
        return _grouped(ledger, name, codes, scale, value, format.bits)
    meaning = Quantization(
        scale.ravel(), np.zeros(scale.size, np.int64), several[0] if several else 0
    )
    source = ledger.codes(name, codes, format.bits, meaning)
    return _dequantize(ledger, source, value, codes.shape)


def _dequantize(ledger: Ledger, source: int, value: Value, shape: Shape) -> int:
    target = ledger.temporary(f"{value.name}/dequantized", shape, value)
    return ledger.emit(BuiltinOperator.DEQUANTIZE, [source], target, Options("DequantizeOptions"))


def _grouped(ledger: Ledger, name: str, codes: Array, scale: Array, value: Value, bits: int) -> int:
    """Codes with a scale for each group along an axis: DEQUANTIZE of integers, MUL by the scales.

    Each axis becomes a pair (groups, size of a group), so that the scales broadcast.
    """
    pairs = [(m, n // m) for n, m in zip(codes.shape, scale.shape, strict=True)]
    kept = [(groups, size) for groups, size in pairs if groups * size > 1]
    whole = tuple(n for groups, size in kept for n in (groups, size) if n > 1)
    spread = tuple(
        n if is_group else 1
        for groups, size in kept
        for n, is_group in ((groups, True), (size, False))
        if n > 1
    )
    unit = Quantization(np.ones(1, np.float32), np.zeros(1, np.int64))
    source = ledger.codes(name, codes.reshape(whole), bits, unit)
    integers = _dequantize(ledger, source, value, whole)
    factors = ledger.constant(f"{name}/scale", scale.reshape(spread), TensorType.FLOAT32)
    scaled = ledger.temporary(f"{value.name}/scaled", whole, value)
    ledger.emit(BuiltinOperator.MUL, [integers, factors], scaled, Options("MulOptions"))
    target = ledger.temporary(f"{value.name}/weight", codes.shape, value)
    return ledger.reshape(scaled, target, codes.shape)
