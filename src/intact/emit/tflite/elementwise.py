"""Sums, products and changes of scale."""

from collections.abc import Iterator

import numpy as np

from intact.emit.tflite.clamps import emit_bounded, emit_clamped, fused_activation
from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.rounding import requant_of, same_codes
from intact.emit.tflite.schema import ActivationFunctionType, BuiltinOperator, Options
from intact.emit.tflite.values import (
    activation_params,
    code_range,
    no_scale,
)
from intact.ir import int_ops
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp, Operand
from intact.numerics.fixedpoint import Requant, quantize_multiplier

_STEPS = 2048  # units in the last place by which a scale may be changed
_CANDIDATES = 16
_SUM_SHIFT = {8: 20, 16: 15}  # TFLite's left shift of operands, by bits


def emit_sum(ledger: Ledger, node: Node[IntOp], op: int_ops.QAdd | int_ops.QSub) -> None:
    """ADD or SUB."""
    a, b = node.inputs
    scales = [float(activation_params(node, value)[0]) for value in (a, b, node.output)]
    common = 2 * max(scales[:2])
    shift = _SUM_SHIFT[a.dtype.bits]
    theirs = [
        _operand(scale / common, operand)
        for scale, operand in zip(scales, (op.a, op.b), strict=False)
    ]
    real = common / (2.0**shift * scales[2])
    requant = requant_of(real, op.requant)
    # TFLite stops the process where this multiplier is not below 1.
    if theirs != [op.a, op.b] or op.left_shift != shift or requant != op.requant or real >= 1:
        raise no_scale(node)
    code, options = (
        (BuiltinOperator.ADD, Options("AddOptions", {"PotScaleInt16": False}))
        if isinstance(op, int_ops.QAdd)
        else (BuiltinOperator.SUB, Options("SubOptions", {"PotScaleInt16": False}))
    )
    emit_clamped(ledger, code, [ledger.read(a), ledger.read(b)], node, op.requant, options)


def _operand(real: float, operand: Operand) -> Operand:
    multiplier, shift = quantize_multiplier(real)
    return Operand(operand.zero_point, int(multiplier), int(shift))


def emit_mul(ledger: Ledger, node: Node[IntOp], op: int_ops.QMul) -> None:
    """MUL, of operands whose scales are changed by some units in the last place where necessary.

    LiteRT computes the multiplier in float32, as eq. 25 does; TensorFlow Lite Micro computes it in
    float64. Neighbouring scales let both have ours.
    """
    s_a, s_b, s_y = (activation_params(node, v)[0] for v in (*node.inputs, node.output))
    found = product_scales(op.requant, (s_a, s_b, s_y), _product_range(op, *node.inputs))
    if found is None:
        raise no_scale(node)
    inputs = [
        ledger.rescaled(value, scale) for value, scale in zip(node.inputs, found, strict=True)
    ]
    emit_clamped(ledger, BuiltinOperator.MUL, inputs, node, op.requant, Options("MulOptions"))


def product_scales(
    requant: Requant,
    scales: tuple[np.float32, np.float32, np.float32],
    products: tuple[int, int],
) -> tuple[np.float32, np.float32] | None:
    """Scales of two operands, near to their own, of which both runtimes have our codes.

    `scales` are the operands' and the result's; `products` the least and the largest product.
    """
    for candidate in _neighbours(requant, *scales):
        if all(
            theirs is not None and same_codes(requant, theirs, *products)
            for theirs in multipliers(requant, *candidate, scales[2])
        ):
            return candidate
    return None


def multipliers(
    like: Requant, a: np.float32, b: np.float32, output: np.float32
) -> tuple[Requant | None, Requant | None]:
    """LiteRT's and TensorFlow Lite Micro's."""
    return (
        requant_of(float(a * b / output), like),
        requant_of(float(a) * float(b) / float(output), like),
    )


def _neighbours(
    requant: Requant, a: np.float32, b: np.float32, output: np.float32
) -> Iterator[tuple[np.float32, np.float32]]:
    """Scales of both operands: their own, then others by how far they are from the multiplier."""
    yield a, b
    real = float(requant.multiplier[0]) * 2.0 ** (int(requant.shift[0]) - 31)
    if not real:
        return
    left = (a + np.arange(-_STEPS, _STEPS + 1) * np.spacing(a)).astype(np.float32)
    right = (real * float(output) / left.astype(np.float64)).astype(np.float32)
    single = (left * right / output).astype(np.float64)
    double = left.astype(np.float64) * right / float(output)
    errors = np.abs(single / real - 1) + np.abs(double / real - 1)
    for index in np.argsort(errors)[:_CANDIDATES]:
        yield left[index], right[index]


def _product_range(op: int_ops.QMul, a: Value, b: Value) -> tuple[int, int]:
    products = [
        (x - op.a_zero_point) * (y - op.b_zero_point) for x in code_range(a) for y in code_range(b)
    ]
    return min(products), max(products)


# --- changes of scale --------------------------------------------------------------------------


def emit_requantize(ledger: Ledger, node: Node[IntOp], op: int_ops.Requantize) -> None:
    """A new meaning for the same codes, RELU or RELU6, or QUANTIZE with what clamps its result."""
    x = node.inputs[0]
    if _keeps_codes(node, op):
        ledger.relabel(node.output, x)
        return
    s_x, s_y = (activation_params(node, value)[0] for value in (x, node.output))
    low, high = (code - op.input_zero_point for code in code_range(x))

    def equals(real: float) -> bool:
        theirs = requant_of(real, op.requant)
        return theirs is not None and same_codes(op.requant, theirs, low, high)

    if not equals(float(s_x) / float(s_y)):
        raise no_scale(node)
    activation = {
        ActivationFunctionType.RELU: BuiltinOperator.RELU,
        ActivationFunctionType.RELU6: BuiltinOperator.RELU6,
    }.get(fused_activation(node.output, op.requant))
    if activation is not None and equals(float(s_x / s_y)):  # as LiteRT computes it for these
        ledger.emit(activation, [ledger.read(x)], ledger.write(node.output))
        return
    inputs, options = [ledger.read(x)], Options("QuantizeOptions")
    emit_bounded(ledger, BuiltinOperator.QUANTIZE, inputs, node, op.requant, options)


def _keeps_codes(node: Node[IntOp], op: int_ops.Requantize) -> bool:
    """Whether every code becomes itself."""
    x, y = node.inputs[0], node.output
    if x.dtype != y.dtype or op.requant.multiplier.size > 1 or op.requant.qmin.size > 1:
        return False
    low, high = code_range(x)
    codes = np.arange(low, high + 1)
    return np.array_equal(op.requant(codes - op.input_zero_point), codes)
