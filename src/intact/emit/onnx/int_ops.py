"""Each integer operation as the real operation it stands for, between codes and codes."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, cast

import numpy as np

from intact.emit.onnx.conversions import (
    emit_dequantize,
    emit_quantize,
    emit_requantize,
    real_multiplier,
)
from intact.emit.onnx.dynamic import emit_dynamic_conv, emit_dynamic_linear
from intact.emit.onnx.float_ops import emit_float
from intact.emit.onnx.layout import View, channels_first, channels_last, plain
from intact.emit.onnx.ledger import Ledger
from intact.emit.onnx.movement import pad
from intact.emit.onnx.quantization import activation_params, dequantized_bias
from intact.emit.onnx.weights import (
    Weight,
    conv_weight,
    layer_weight,
    linear_weight,
    transposed_conv_weight,
)
from intact.ir import float_ops as ops
from intact.ir import int_ops as q
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node, Shape
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import Array
from intact.numerics.fixedpoint import Requant, gives_signs
from intact.numerics.formats import Int

NORMALIZED_TO_FRACTION = 2.0**12  # a normalization's gain takes 20 fractional bits to 8
FRACTION = 2.0**8
Layer: TypeAlias = q.QConv2d | q.QConvTranspose2d | q.QLinear
Bounds: TypeAlias = tuple[Array, Array]  # lowest and highest code, (C,) or (1,)


def emit_node(ledger: Ledger, node: Node[IntOp]) -> None:
    """Writes one node of the Program."""
    emit = _EMITTERS.get(type(node.op))
    if emit is None:
        _real_or_movement(ledger, node)
    else:
        emit(ledger, node, node.op)


def _real_or_movement(ledger: Ledger, node: Node[IntOp]) -> None:
    """A float operation, or one that moves the codes of its inputs."""
    views = [ledger.view(value) for value in node.inputs]
    scope = ledger.scope(node, real=False)
    op = cast(FloatOp, node.op)  # all others have an integer emitter
    view = emit_float(scope, op, views, node.output.shape)
    ledger.keep(node.output, view)


# --- helpers -------------------------------------------------------------------------------------


def _between_codes(
    ledger: Ledger,
    node: Node[IntOp],
    op: FloatOp,
    inputs: Sequence[View],
    bounds: Requant | Bounds | None = None,
) -> None:
    """The real operation on real inputs, its result as the codes of the node's value."""
    view = emit_float(ledger.scope(node, real=True), op, inputs, node.output.shape)
    _keep(ledger, node, view, bounds)


def _on_images(
    ledger: Ledger,
    node: Node[IntOp],
    op: FloatOp,
    parameters: Sequence[View] = (),
    bounds: Requant | Bounds | None = None,
) -> None:
    """As `_between_codes`, for an operation that is channels last here and channels first there."""
    rank = len(node.output.shape)
    x = ledger.real(node.inputs[0]).permuted(channels_first(rank))
    shape = tuple(node.output.shape[axis] for axis in channels_first(rank))
    view = emit_float(ledger.scope(node, real=True), op, (x, *parameters), shape)
    _keep(ledger, node, view.permuted(channels_last(rank)), bounds)


def _keep(ledger: Ledger, node: Node[IntOp], view: View, bounds: Requant | Bounds | None) -> None:
    low, high = (
        (bounds.qmin, bounds.qmax) if isinstance(bounds, Requant) else bounds or (None, None)
    )
    signs = isinstance(bounds, Requant) and gives_signs(bounds)
    ledger.keep_codes(node.output, view, low, high, signs=signs)


def _weight_of(ledger: Ledger, node: Node[IntOp], zero_points: tuple[int, ...] | None) -> Weight:
    value = node.inputs[1]
    return layer_weight(value, ledger.program.constants[value.name], zero_points)


def _bias(ledger: Ledger, node: Node[IntOp], op: Layer, weight: Weight) -> list[View]:
    """The bias as a real tensor; nothing if it is zero."""
    value = node.inputs[2]
    bias = ledger.program.constants[value.name]
    if not bias.any() and not gives_signs(op.requant):
        return []
    scale, _ = activation_params(node.inputs[0].name, node.inputs[0].params)
    unit = np.broadcast_to(weight.unit * scale / 2**op.weight_shift, bias.shape)
    signs = gives_signs(op.requant)
    if op.weight_shift or signs:  # integer kernels would take the unit of input and weight
        # Halfway to the next integer, the sign of a sum does not depend on rounding.
        real = ((bias + 0.5 if signs else bias) * unit).astype(np.float32)
        return [plain(ledger.writer.constant(real, value.name), bias.shape)]
    return [plain(dequantized_bias(ledger.writer, bias, unit, value.name), bias.shape)]


def _constant(ledger: Ledger, node: Node[IntOp], array: Array, name: str, shape: Shape) -> View:
    numbers = np.broadcast_to(array, (int(np.prod(shape)),)).astype(np.float32).reshape(shape)
    return plain(ledger.writer.constant(numbers, f"{node.name}.{name}"), shape)


# --- layers --------------------------------------------------------------------------------------


def _conv(ledger: Ledger, node: Node[IntOp], op: q.QConv2d) -> None:
    weight = _weight_of(ledger, node, op.weight_zero_point)
    parameters = [conv_weight(weight), *_bias(ledger, node, op, weight)]
    conv = ops.Conv(op.stride, op.padding, op.dilation, op.groups)
    _on_images(ledger, node, conv, parameters, op.requant)


def _conv_transpose(ledger: Ledger, node: Node[IntOp], op: q.QConvTranspose2d) -> None:
    weight = _weight_of(ledger, node, op.weight_zero_point)
    parameters = [
        transposed_conv_weight(weight, op.groups),
        *_bias(ledger, node, op, weight),
    ]
    conv = ops.ConvTranspose(op.stride, op.padding, op.output_padding, op.dilation, op.groups)
    _on_images(ledger, node, conv, parameters, op.requant)


def _linear(ledger: Ledger, node: Node[IntOp], op: q.QLinear) -> None:
    weight = _weight_of(ledger, node, op.weight_zero_point)
    bias = _bias(ledger, node, op, weight)
    x, kernel = ledger.real(node.inputs[0]), linear_weight(weight)
    _between_codes(ledger, node, ops.Linear(), (x, kernel, *bias), op.requant)


def _embedding(ledger: Ledger, node: Node[IntOp], op: q.QEmbedding) -> None:
    table = linear_weight(_weight_of(ledger, node, op.weight_zero_point))
    indices = ledger.view(node.inputs[0])
    _between_codes(ledger, node, ops.Embedding(), (indices, table), op.requant)


# --- arithmetic and activations ------------------------------------------------------------------


def _pairwise(
    float_op: FloatOp, ledger: Ledger, node: Node[IntOp], op: q.QAdd | q.QSub | q.QMul | q.QMatMul
) -> None:
    a, b = (ledger.real(value) for value in node.inputs)
    _between_codes(ledger, node, float_op, (a, b), op.requant)


def _lookup(ledger: Ledger, node: Node[IntOp], op: q.Lookup | q.InterpolatedLookup) -> None:
    _between_codes(ledger, node, op.function, [ledger.real(node.inputs[0])])


def _softmax(ledger: Ledger, node: Node[IntOp], op: q.QSoftmax | q.QSoftmax16) -> None:  # noqa: ARG001
    last = len(node.output.shape) - 1
    _between_codes(ledger, node, ops.Softmax(last), [ledger.real(node.inputs[0])])


def _prelu(ledger: Ledger, node: Node[IntOp], op: q.QPrelu) -> None:
    value = node.inputs[1]
    zero_point = None if op.slope_zero_point == 0 else (op.slope_zero_point,)
    weight = layer_weight(value, ledger.program.constants[value.name], zero_point)
    slope = linear_weight(weight)
    _on_images(ledger, node, ops.Prelu(), [slope], op.positive)


# --- normalization -------------------------------------------------------------------------------


def _layer_norm(ledger: Ledger, node: Node[IntOp], op: q.QLayerNorm) -> None:
    shape = node.output.shape[-op.axes :]
    eps, parameters = _normalization(ledger, node, op.normalization, shape, int(np.prod(shape)))
    _between_codes(
        ledger,
        node,
        ops.LayerNorm(op.axes, eps),
        [ledger.real(node.inputs[0]), *parameters],
        _bounds(op.normalization),
    )


def _group_norm(ledger: Ledger, node: Node[IntOp], op: q.QGroupNorm) -> None:
    shape = node.output.shape[-1:]
    count = int(np.prod(node.output.shape[1:])) // op.groups
    eps, parameters = _normalization(ledger, node, op.normalization, shape, count)
    norm = ops.GroupNorm(op.groups, eps)
    _on_images(ledger, node, norm, parameters, _bounds(op.normalization))


def _normalization(
    ledger: Ledger, node: Node[IntOp], numbers: q.Normalization, shape: Shape, count: int
) -> tuple[float, list[View]]:
    """The real eps, gamma and beta behind the integers."""
    input_scale, _ = activation_params(node.inputs[0].name, node.inputs[0].params)
    scale, _ = activation_params(node.name, node.output.params)
    gain = numbers.gain_sign * real_multiplier(numbers.gain) * NORMALIZED_TO_FRACTION
    beta = numbers.beta / FRACTION
    parameters = [
        _constant(ledger, node, gain * scale, "weight", shape),
        _constant(ledger, node, beta * scale, "bias", shape),
    ]
    return float(numbers.epsilon * input_scale**2 / count**2), parameters


def _bounds(numbers: q.Normalization) -> tuple[Array, Array]:
    return np.array([numbers.qmin]), np.array([numbers.qmax])


# --- pooling and resizing ------------------------------------------------------------------------


def _max_pool(ledger: Ledger, node: Node[IntOp], op: q.QMaxPool2d) -> None:
    _on_images(ledger, node, ops.MaxPool(op.kernel, op.stride, op.padding, op.dilation))


def _avg_pool(ledger: Ledger, node: Node[IntOp], op: q.QAvgPool2d) -> None:
    pool = ops.AvgPool(op.kernel, op.stride, op.padding, op.count_include_pad, op.overhang)
    _on_images(ledger, node, pool)


def _adaptive_avg_pool(ledger: Ledger, node: Node[IntOp], op: q.QAdaptiveAvgPool2d) -> None:
    _on_images(ledger, node, ops.AdaptiveAvgPool(op.size))


def _resize_nearest(ledger: Ledger, node: Node[IntOp], op: q.QResizeNearest2d) -> None:
    _on_images(ledger, node, ops.ResizeNearest(op.size))


def _resize_bilinear(ledger: Ledger, node: Node[IntOp], op: q.QResizeBilinear2d) -> None:
    _on_images(ledger, node, ops.ResizeBilinear(op.size, op.align_corners))


def _mean(ledger: Ledger, node: Node[IntOp], op: q.QMean) -> None:
    x = ledger.real(node.inputs[0])
    _between_codes(ledger, node, ops.Mean(op.axes, op.keepdims), [x], op.requant)


def _pad(ledger: Ledger, node: Node[IntOp], op: ops.Pad) -> None:
    """Of 16-bit codes as real numbers: ONNX Runtime pads no such integers."""
    value, source = node.output, node.inputs[0]
    if isinstance(value.dtype, Int) and value.dtype.bits > 8:
        scale, zero_point = activation_params(source.name, source.params)
        real = ops.Pad(op.pads, op.mode, (op.value - zero_point) * scale)
        _between_codes(ledger, node, real, [ledger.real(source)])
        return
    scope = ledger.scope(node, real=False)
    x = ledger.view(source)
    ledger.keep(value, pad(scope, op, value.shape, x, value.dtype.storage))


_EMITTERS: Mapping[type, Callable[..., None]] = {
    q.Quantize: emit_quantize,
    q.Dequantize: emit_dequantize,
    q.Requantize: emit_requantize,
    q.QConv2d: _conv,
    q.QConvTranspose2d: _conv_transpose,
    q.QLinear: _linear,
    q.QMatMul: partial(_pairwise, ops.MatMul()),
    q.QEmbedding: _embedding,
    q.DynamicConv2d: emit_dynamic_conv,
    q.DynamicLinear: emit_dynamic_linear,
    q.QAdd: partial(_pairwise, ops.Add()),
    q.QSub: partial(_pairwise, ops.Sub()),
    q.QMul: partial(_pairwise, ops.Mul()),
    q.Lookup: _lookup,
    q.InterpolatedLookup: _lookup,
    q.QPrelu: _prelu,
    q.QSoftmax: _softmax,
    q.QSoftmax16: _softmax,
    q.QLayerNorm: _layer_norm,
    q.QGroupNorm: _group_norm,
    q.QMaxPool2d: _max_pool,
    q.QAvgPool2d: _avg_pool,
    q.QAdaptiveAvgPool2d: _adaptive_avg_pool,
    q.QMean: _mean,
    q.QResizeNearest2d: _resize_nearest,
    q.QResizeBilinear2d: _resize_bilinear,
    ops.Pad: _pad,
}
