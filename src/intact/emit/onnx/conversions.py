"""Quantize, Dequantize and Requantize: between real numbers and codes, and from codes to codes."""

from dataclasses import replace

import numpy as np
from onnx import TensorProto

from intact.emit.onnx.layout import View
from intact.emit.onnx.ledger import Ledger
from intact.emit.onnx.quantization import activation_params
from intact.ir import int_ops as q
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp
from intact.numerics.fixedpoint import Requant, gives_signs
from intact.numerics.formats import Float
from intact.numerics.qtensor import scalar_scale, scalar_zero_point


def emit_quantize(ledger: Ledger, node: Node[IntOp], op: q.Quantize) -> None:
    """QuantizeLinear."""
    ledger.keep_codes(replace(node.output, params=op.params), ledger.settled(node.inputs[0]))


def emit_dequantize(ledger: Ledger, node: Node[IntOp], op: q.Dequantize) -> None:
    """DequantizeLinear; of a constant, in the format's own bits."""
    (source,) = node.inputs
    if source.name in ledger.program.constants:
        view = ledger.weight(source, ledger.program.constants[source.name], op.params)
    elif isinstance(op.params.format, Float):
        view = _from_float(ledger, node, op)
    else:
        scale, zero_point = activation_params(source.name, op.params)
        view = ledger.dequantized(source, scale, zero_point, node.name)
    ledger.keep(node.output, view)


def _from_float(ledger: Ledger, node: Node[IntOp], op: q.Dequantize) -> View:
    scope = ledger.scope(node, real=False)
    view = ledger.settled(node.inputs[0])
    real = scope.step("Cast", [view.tensor], to=TensorProto.FLOAT)
    scale = scope.constant(op.params.scale.reshape(()), "scale")
    return replace(view, tensor=scope.last("Mul", [real, scale]))


def emit_requantize(ledger: Ledger, node: Node[IntOp], op: q.Requantize) -> None:
    """Reads codes as multiples of what the multiplier makes of the output's scale.

    A product with a number is this with multiplier 1: the codes stay, their scale does not.
    """
    (source,) = node.inputs
    output_scale, _ = activation_params(node.name, node.output.params)
    scales = real_multiplier(op.requant) * output_scale
    if scales.size == 1:
        view = _read(ledger, source, float(scales[0]), op.input_zero_point)
    else:
        view = _read_by_channel(ledger, node, op, scales.astype(np.float32))
    signs = gives_signs(op.requant)
    ledger.keep_codes(node.output, view, op.requant.qmin, op.requant.qmax, signs=signs)


def real_multiplier(requant: Requant) -> np.ndarray:
    """The real numbers that the integers of a Requant stand for."""
    return requant.multiplier.astype(np.float64) * 2.0 ** (requant.shift - 31.0)


def _read(ledger: Ledger, source: Value, scale: float, zero_point: int) -> View:
    scale = max(scale, float(np.finfo(np.float32).tiny))
    params = source.params
    if params is not None and params.scale.size == 1:
        same = np.float32(scale) == scalar_scale(params)
        if same and zero_point == scalar_zero_point(params):
            return ledger.real(source)
    return ledger.dequantized(source, scale, zero_point)


def _read_by_channel(
    ledger: Ledger, node: Node[IntOp], op: q.Requantize, scales: np.ndarray
) -> View:
    whole = ledger.dequantized(node.inputs[0], 1.0, op.input_zero_point)
    shape = [1] * len(whole.axes)
    shape[whole.axes[-1]] = scales.size
    factors = ledger.writer.constant(scales.reshape(shape), f"{node.name}/scales")
    output = ledger.writer.unique(f"{node.name}/Mul")
    ledger.writer.node("Mul", [whole.tensor, factors], output, output)
    return replace(whole, tensor=output)
