"""Convolutions, linear layers, matrix products and embeddings."""

import math
from typing import Literal, TypeAlias

import numpy as np

from intact.emit.tflite.clamps import emit_bounded, emit_clamped
from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.padding import Window, window_input
from intact.emit.tflite.rounding import requant_of, rounds_once, same_codes
from intact.emit.tflite.schema import BuiltinOperator, Options, Padding, Quantization, TensorType
from intact.emit.tflite.values import (
    activation_params,
    code_range,
    no_scale,
    quantization,
    sizes,
    tensor_type,
    unsupported,
)
from intact.ir import int_ops
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import F32, IntArray
from intact.numerics.fixedpoint import Requant
from intact.numerics.integers import weight_integers
from intact.numerics.sums import reached_sums

Layer: TypeAlias = int_ops.QConv2d | int_ops.QConvTranspose2d | int_ops.QLinear

_ONE_TAP = Window((1, 1), (1, 1), ((0, 0), (0, 0)))


def emit_conv(ledger: Ledger, node: Node[IntOp], op: int_ops.QConv2d) -> None:
    """CONV_2D or DEPTHWISE_CONV_2D, behind a PAD where the padding is neither SAME nor VALID."""
    x = node.inputs[0]
    integers = weight_codes(ledger, node, op)
    scale = weight_scale(ledger, node, op.requant, integers, op.input_zero_point)
    outputs, height, width, depth = integers.shape
    depthwise = depth == 1 and op.groups == sizes(x)[-1] and op.groups > 1
    window = Window((height, width), op.stride, op.padding, op.dilation)
    source, padding = window_input(ledger, node, window, same=True)
    fields = window.fields(padding)
    if depthwise:
        stored = np.moveaxis(integers, 0, -1).reshape(1, height, width, outputs)
        # LiteRT has no reference kernel for depthwise weights of 4 bits.
        inputs = [source, *parameters(ledger, node, stored, scale, axis=3, packs=False)]
        fields["DepthMultiplier"] = outputs // op.groups
        options = Options("DepthwiseConv2DOptions", fields)
        emit_clamped(ledger, BuiltinOperator.DEPTHWISE_CONV_2D, inputs, node, op.requant, options)
        return
    inputs = [source, *parameters(ledger, node, integers, scale, axis=0)]
    options = Options("Conv2DOptions", fields)
    emit_clamped(ledger, BuiltinOperator.CONV_2D, inputs, node, op.requant, options)


def weight_codes(ledger: Ledger, node: Node[IntOp], op: Layer) -> IntArray:
    """The layer's weights as symmetric integers of at most 8 bits."""
    weight, zero_point = node.inputs[1], op.weight_zero_point
    codes = ledger.program.constants[weight.name]
    integers = weight_integers(codes, weight.dtype, zero_point, op.weight_shift)
    if integers.size and not -128 <= int(integers.min()) <= int(integers.max()) <= 127:
        reason = "its weights are asymmetric" if zero_point else f"its weights are {weight.dtype}"
        raise unsupported(
            node, reason, "TFLite has symmetric int8 and int4 weights; quantize with Int(8)."
        )
    return integers


def weight_scale(
    ledger: Ledger, node: Node[IntOp], requant: Requant, integers: IntArray, zero_point: int
) -> F32:
    """Scales of the output channels (O,) of which a convolution derives our multipliers.

    Raises:
        UnsupportedOpError: if there are none, or the accumulator has another width than TFLite's.
    """
    scale = _find_scale(ledger, node, requant, integers, zero_point)
    if scale is None:
        raise no_scale(node)
    return scale


def _find_scale(
    ledger: Ledger, node: Node[IntOp], requant: Requant, integers: IntArray, zero_point: int
) -> F32 | None:
    x, weight, bias = node.inputs
    wide = x.dtype.bits > 8
    if wide != (requant.accumulator_bits == 64):
        raise unsupported(
            node,
            "its sums may exceed 32 bits, which TFLite's accumulator has",
            "Quantize its weights to fewer bits, or export to .onnx or C.",
        )
    low, high = _sums(integers, ledger.program.constants[bias.name], x, zero_point)
    input_scale, output_scale = (
        float(activation_params(node, value)[0]) for value in (x, node.output)
    )
    channels = len(integers)
    for scale in _candidates(weight, requant, input_scale, output_scale, channels):
        real = input_scale * scale.astype(np.float64) / output_scale
        theirs = requant_of(real, requant, 64 if wide else 32)
        if theirs is not None and same_codes(requant, theirs, low, high):
            return scale
    return None


def _candidates(
    weight: Value, requant: Requant, input_scale: float, output_scale: float, channels: int
) -> list[F32]:
    """Scales (O,): the weight's own, and those nearest to what the multipliers ask for."""
    found = []
    if weight.params is not None:
        found.append(np.broadcast_to(weight.params.scale.ravel(), channels))
    real = requant.multiplier * 2.0 ** (requant.shift - 31.0)
    nearest = np.asarray(real * output_scale / input_scale, np.float32)
    return [*found, np.broadcast_to(nearest, channels)]


def _sums(
    integers: IntArray, bias: IntArray, x: Value, zero_point: int
) -> tuple[IntArray, IntArray]:
    """Lowest and highest sum of each output channel."""
    low, high = code_range(x)
    return reached_sums(integers, bias, (low - zero_point, high - zero_point))


def parameters(
    ledger: Ledger,
    node: Node[IntOp],
    integers: IntArray,
    scale: F32,
    axis: int,
    *,
    packs: bool = True,
) -> list[int]:
    """Tensors of weight and bias; weights of up to 4 bits in half bytes, if the operator `packs`.

    Kernels with inputs of 16 bits have no weights of 4, and the integers of 4-bit codes may need 8.
    """
    x, weight, bias = node.inputs
    meaning = Quantization(scale, np.zeros(scale.shape, np.int64), axis)
    wide = x.dtype.bits > 8
    halves = weight.dtype.bits <= 4 and integers.min() >= -8 and integers.max() <= 7
    bits = 4 if packs and halves and not wide else 8
    stored = ledger.codes(weight.name, integers, bits, meaning)
    input_scale, _ = activation_params(node, x)
    codes = ledger.program.constants[bias.name].astype(np.int64 if wide else np.int32)
    unit = Quantization(scale * input_scale, meaning.zero_point, 0)
    kind = TensorType.INT64 if wide else TensorType.INT32
    return [stored, ledger.constant(bias.name, codes, kind, unit)]


# --- linear layers -----------------------------------------------------------------------------


def emit_linear(ledger: Ledger, node: Node[IntOp], op: int_ops.QLinear) -> None:
    """A CONV_2D with one tap over rows as pixels.

    LiteRT's reference kernel of FULLY_CONNECTED multiplies by a float64 instead of a fixed-point
    number, and TFLite Micro's has scales for channels of int8 alone; both convolve as we do.
    """
    x = node.inputs[0]
    integers = weight_codes(ledger, node, op)
    scale = _find_scale(ledger, node, op.requant, integers, op.input_zero_point)
    if scale is None:
        _connect(ledger, node, op, integers)
        return
    rows, depth = math.prod(x.shape[1:-1]), x.shape[-1]
    source = ledger.read_as(x, (x.shape[0], 1, rows, depth))
    stored = integers.reshape(len(integers), 1, 1, depth)
    inputs = [source, *parameters(ledger, node, stored, scale, axis=0)]
    options = Options("Conv2DOptions", _ONE_TAP.fields(int(Padding.VALID)))
    pixels = (node.output.shape[0], 1, rows, len(integers))
    emit_clamped(ledger, BuiltinOperator.CONV_2D, inputs, node, op.requant, options, pixels)


def _connect(ledger: Ledger, node: Node[IntOp], op: int_ops.QLinear, integers: IntArray) -> None:
    """FULLY_CONNECTED, where its reference kernel has our codes: layers read from TFLite files."""
    x, weight, bias = node.inputs
    low, high = _sums(integers, ledger.program.constants[bias.name], x, op.input_zero_point)
    s_x, s_y = (float(activation_params(node, value)[0]) for value in (x, node.output))
    if weight.params is None:
        raise no_scale(node)
    scale = np.broadcast_to(weight.params.scale.ravel(), len(integers))
    if not rounds_once(op.requant, s_x * scale.astype(np.float64) / s_y, low, high):
        raise no_scale(node)
    inputs = [ledger.read(x), *parameters(ledger, node, integers, scale, axis=0, packs=False)]
    options = Options("FullyConnectedOptions", {"KeepNumDims": len(x.shape) > 2})
    emit_clamped(ledger, BuiltinOperator.FULLY_CONNECTED, inputs, node, op.requant, options)


def emit_matmul(ledger: Ledger, node: Node[IntOp], op: int_ops.QMatMul) -> None:
    """BATCH_MATMUL."""
    a, b = node.inputs
    s_a, s_b, s_y = (activation_params(node, value)[0] for value in (a, b, node.output))
    depth = sizes(a)[-1]
    reach = [
        max(abs(code - zero_point) for code in code_range(value))
        for value, zero_point in ((a, op.a_zero_point), (b, op.b_zero_point))
    ]
    largest = depth * reach[0] * reach[1]
    # TFLite multiplies the scales in float32.
    bits: Literal[32, 64] = 64 if a.dtype.bits > 8 else 32
    theirs = requant_of(float(s_a * s_b) / float(s_y), op.requant, bits)
    if theirs is None or not same_codes(op.requant, theirs, -largest, largest):
        raise no_scale(node)
    inputs, options = [ledger.read(a), ledger.read(b)], Options("BatchMatMulOptions")
    emit_bounded(ledger, BuiltinOperator.BATCH_MATMUL, inputs, node, op.requant, options)


def emit_embedding(ledger: Ledger, node: Node[IntOp], op: int_ops.QEmbedding) -> None:
    """GATHER from the rows, requantized before."""
    indices, weight = node.inputs
    codes = ledger.program.constants[weight.name]
    integers = weight_integers(codes, weight.dtype, op.weight_zero_point)
    rows = op.requant(integers.T).T.astype(node.output.dtype.storage)
    kind = tensor_type(node.name, node.output.dtype)
    table = ledger.constant(weight.name, rows, kind, quantization(node.output.params))
    inputs = [table, ledger.read(indices)]
    ledger.emit(BuiltinOperator.GATHER, inputs, ledger.write(node.output), Options("GatherOptions"))
