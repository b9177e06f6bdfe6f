"""Layers in real numbers, and those that quantize what they read when they run."""

import numpy as np

from intact.emit.tflite.images import image, new_image
from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.padding import Window, window_input
from intact.emit.tflite.reals import real_weight
from intact.emit.tflite.schema import BuiltinOperator, Options, Quantization, TensorType
from intact.emit.tflite.values import unsupported
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.float_ops import Pads
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp


def pair(numbers: tuple[int, ...], fill: int = 1) -> tuple[int, int]:
    """(height, width) of an attribute with one entry for each space axis."""
    return (fill, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def pads_of(padding: Pads) -> Pads:
    """((top, bottom), (left, right))."""
    return ((0, 0), padding[0]) if len(padding) == 1 else padding


# --- convolutions ------------------------------------------------------------------------------


def emit_float_conv(ledger: Ledger, node: Node[IntOp], op: ops.Conv) -> None:
    """CONV_2D or DEPTHWISE_CONV_2D of real numbers."""
    x, weight, *bias = node.inputs
    source = image(ledger, x)
    made = Node(op, (source,), new_image(ledger, node.output))
    depthwise = weight.shape[1] == 1 and op.groups == x.shape[1] and op.groups > 1
    axes = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    tensors = [
        real_weight(ledger, weight, axes),
        bias_tensor(ledger, bias, weight.shape[0], node.name),
    ]
    kernel = pair(weight.shape[2:])
    window = Window(kernel, pair(op.stride), pads_of(op.padding), pair(op.dilation))
    multiplier = weight.shape[0] // op.groups if depthwise else None
    _convolve(ledger, made, window, tensors, multiplier)


def bias_tensor(ledger: Ledger, bias: list[Value], channels: int, name: str) -> int:
    """A layer's bias; zeros if it has none."""
    if bias:
        return ledger.read(bias[0])
    return ledger.constant(f"{name}.bias", np.zeros(channels, np.float32), TensorType.FLOAT32)


def _convolve(
    ledger: Ledger,
    node: Node[IntOp],
    window: Window,
    tensors: list[int],
    multiplier: int | None,
) -> None:
    """A convolution from an image to an image; depthwise if it has a multiplier of channels."""
    source, padding = window_input(ledger, node, window, same=True)
    fields = window.fields(padding)
    target = ledger.write(node.output)
    if multiplier is None:
        options = Options("Conv2DOptions", fields)
        ledger.emit(BuiltinOperator.CONV_2D, [source, *tensors], target, options)
        return
    options = Options("DepthwiseConv2DOptions", {**fields, "DepthMultiplier": multiplier})
    ledger.emit(BuiltinOperator.DEPTHWISE_CONV_2D, [source, *tensors], target, options)


def emit_dynamic_conv(ledger: Ledger, node: Node[IntOp], op: int_ops.DynamicConv2d) -> None:
    """CONV_2D or DEPTHWISE_CONV_2D of real numbers with int8 weights (hybrid kernels)."""
    x, weight, _, bias = node.inputs
    codes, scale = _dynamic_weight(ledger, node, op.activation.bits)
    outputs, height, width, depth = codes.shape
    depthwise = depth == 1 and op.groups == x.shape[-1] and op.groups > 1
    if depthwise:
        codes = np.moveaxis(codes, 0, -1).reshape(1, height, width, outputs)
    meaning = Quantization(scale, np.zeros(scale.shape, np.int64), 3 if depthwise else 0)
    stored = ledger.constant(weight.name, codes.astype(np.int8), TensorType.INT8, meaning)
    window = Window((height, width), op.stride, op.padding, op.dilation)
    multiplier = outputs // op.groups if depthwise else None
    _convolve(ledger, node, window, [stored, ledger.read(bias)], multiplier)


def _dynamic_weight(ledger: Ledger, node: Node[IntOp], bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes and scales of a layer whose input becomes int8 when it runs."""
    _, weight, scale, _ = node.inputs
    codes = ledger.program.constants[weight.name]
    if bits != 8 or int(np.abs(codes.astype(np.int64)).max(initial=0)) > 127:
        raise unsupported(
            node, "TFLite's dynamic range is int8", "Quantize weights and inputs with Int(8)."
        )
    return codes, ledger.program.constants[scale.name]


# --- linear layers -----------------------------------------------------------------------------


def emit_float_linear(ledger: Ledger, node: Node[IntOp]) -> None:
    """FULLY_CONNECTED of real numbers."""
    x, weight, *bias = node.inputs
    tensors = [ledger.read(weight), bias_tensor(ledger, bias, weight.shape[0], node.name)]
    _connect(ledger, node, x, tensors)


def emit_dynamic_linear(ledger: Ledger, node: Node[IntOp], op: int_ops.DynamicLinear) -> None:
    """FULLY_CONNECTED of real numbers with int8 weights (hybrid kernel)."""
    x, weight, _, bias = node.inputs
    codes, scale = _dynamic_weight(ledger, node, op.activation.bits)
    meaning = Quantization(scale, np.zeros(scale.shape, np.int64), 0)
    stored = ledger.constant(weight.name, codes.astype(np.int8), TensorType.INT8, meaning)
    _connect(ledger, node, x, [stored, ledger.read(bias)])


def _connect(ledger: Ledger, node: Node[IntOp], x: Value, tensors: list[int]) -> None:
    options = Options("FullyConnectedOptions", {"KeepNumDims": len(x.shape) > 2})
    inputs = [ledger.read(x), *tensors]
    ledger.emit(BuiltinOperator.FULLY_CONNECTED, inputs, ledger.write(node.output), options)


def emit_float_matmul(ledger: Ledger, node: Node[IntOp]) -> None:
    """BATCH_MATMUL of real numbers."""
    inputs = [ledger.read(value) for value in node.inputs]
    target = ledger.write(node.output)
    ledger.emit(BuiltinOperator.BATCH_MATMUL, inputs, target, Options("BatchMatMulOptions"))


def emit_float_embedding(ledger: Ledger, node: Node[IntOp]) -> None:
    """GATHER from real rows."""
    indices, weight = node.inputs
    inputs = [ledger.read(weight), ledger.read(indices)]
    ledger.emit(BuiltinOperator.GATHER, inputs, ledger.write(node.output), Options("GatherOptions"))
