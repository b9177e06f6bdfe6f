"""Convolutions, fully connected layers and matrix products."""

import math

import numpy as np

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator, Options
from intact.capture.tflite.layers import Roles, layer, weight_codes
from intact.capture.tflite.scales import integer, requant, tensor_multiplier
from intact.capture.tflite.shapes import SAME, reshaped, window_padding
from intact.errors import FormatError, UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.float_ops import Pads
from intact.ir.graph import Value
from intact.ir.windows import same_padding
from intact.numerics.arrays import Codes
from intact.numerics.qtensor import scalar_scale, scalar_zero_point


def conv(net: Builder, operator: Operator) -> None:
    """CONV_2D: weight (O, kh, kw, C / groups)."""
    options = net.options(operator, "Conv2DOptions")
    weight = weight_codes(net, operator, 1, 4)
    x, depth = net.codes(operator, 0), weight.shape[3]
    if x.shape[-1] % depth:
        raise FormatError(
            f"{net.title(operator)} has {x.shape[-1]} channels for weights of {depth}"
        )
    _conv2d(net, operator, options, weight, groups=x.shape[-1] // depth, axis=0)


def depthwise(net: Builder, operator: Operator) -> None:
    """DEPTHWISE_CONV_2D: weight (1, kh, kw, C * multiplier)."""
    options = net.options(operator, "DepthwiseConv2DOptions")
    weight = weight_codes(net, operator, 1, 4)
    if weight.shape[0] != 1:
        raise FormatError(f"{net.title(operator)} has weights of shape {weight.shape}")
    channels = net.codes(operator, 0).shape[-1]
    _conv2d(net, operator, options, weight.transpose(3, 1, 2, 0), groups=channels, axis=3)


def _conv2d(
    net: Builder, operator: Operator, options: Options, weight: Codes, groups: int, axis: int
) -> None:
    stride = (options.integer("StrideH"), options.integer("StrideW"))
    dilation = (options.integer("DilationHFactor"), options.integer("DilationWFactor"))
    x, kernel = net.codes(operator, 0), weight.shape[1:3]
    padding = window_padding(net, operator, options.integer("Padding"), x, kernel, stride, dilation)
    made = layer(net, operator, weight, options.integer("FusedActivationFunction"), axis=axis)
    op = int_ops.QConv2d(
        stride,
        padding,
        dilation,
        groups,
        made.input_zero_point,
        made.weight_zero_point,
        made.requant,
    )
    net.emit(operator, op, made.inputs)


def fully_connected(net: Builder, operator: Operator) -> None:
    """FULLY_CONNECTED: weight (O, I); without keep_num_dims, x becomes a matrix first."""
    options = net.options(operator, "FullyConnectedOptions")
    if options.integer("WeightsFormat") != 0:
        raise UnsupportedOpError(f"{net.title(operator)} has shuffled weights")
    weight = weight_codes(net, operator, 1, 2)
    made = layer(net, operator, weight, options.integer("FusedActivationFunction"))
    x, *parameters = made.inputs
    if len(x.shape) != 2 and not options.integer("KeepNumDims"):
        depth = weight.shape[1]
        target = (abs(math.prod(x.shape)) // depth, depth)
        flat = ops.Reshape(reshaped(net, operator, x.shape, target))
        x = net.between(operator, flat, [x], x.params, "rows")
    op = int_ops.QLinear(made.input_zero_point, made.weight_zero_point, made.requant)
    net.emit(operator, op, [x, *parameters])


def transpose_conv(net: Builder, operator: Operator) -> None:
    """TRANSPOSE_CONV: inputs size of the output, weight (O, kh, kw, I), x, bias."""
    options = net.options(operator, "TransposeConvOptions")
    weight = weight_codes(net, operator, 1, 4)
    made = layer(net, operator, weight, options.integer("FusedActivationFunction"), Roles(2, 1, 3))
    stride = (options.integer("StrideH"), options.integer("StrideW"))
    padding, more = _crop(net, operator, made.inputs[0], weight, stride)
    op = int_ops.QConvTranspose2d(
        stride,
        padding,
        more,
        (1, 1),
        1,
        made.input_zero_point,
        made.weight_zero_point,
        made.requant,
    )
    net.emit(operator, op, made.inputs)


def _crop(
    net: Builder, operator: Operator, x: Value, weight: Codes, stride: tuple[int, int]
) -> tuple[Pads, tuple[int, int]]:
    """What is cut off before and behind the sums, and what lies behind all of them."""
    size = net.integers(operator, 0)
    scheme = net.options(operator, "TransposeConvOptions").integer("Padding")
    if len(size) != 4 or len(x.shape) != 4 or min(*size, *stride) < 1:
        raise FormatError(f"{net.title(operator)} makes shape {size[:5]} of {x.shape}")
    pads, more = [], []
    for n, out, k, s in zip(x.shape[1:3], size[1:3], weight.shape[1:3], stride, strict=True):
        before = same_padding(out, k, s)[0] if scheme == SAME else 0
        behind = (n - 1) * s + k - before - out
        pads.append((before, max(0, behind)))
        more.append(max(0, -behind))
    return tuple(pads), (more[0], more[1])


def batch_matmul(net: Builder, operator: Operator) -> None:
    """BATCH_MATMUL of two activations, or an activation and a constant."""
    sides = [_side(net, operator, 0, "AdjX"), _side(net, operator, 1, "AdjY")]
    a, b = (net.params(index) for index in operator.inputs[:2])
    output = net.params(operator.outputs[0])
    real = tensor_multiplier(a, np.array([scalar_scale(b)]), output)
    finish = requant(real, output, bits=64 if integer(a).bits > 8 else 32)
    op = int_ops.QMatMul(scalar_zero_point(a), scalar_zero_point(b), finish)
    net.emit(operator, op, sides)


def _side(net: Builder, operator: Operator, position: int, turned: str) -> Value:
    """A factor, its last two axes exchanged where the attribute says so."""
    x = net.codes(operator, position)
    rank = len(x.shape)
    if rank < 2:
        raise FormatError(f"{net.title(operator)} multiplies shape {x.shape}")
    if not net.options(operator, "BatchMatMulOptions").integer(turned):
        return x
    order = ops.Permute((*range(rank - 2), rank - 1, rank - 2))
    return net.between(operator, order, [x], x.params, f"turned{position}")
