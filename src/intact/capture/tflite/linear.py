"""Convolutions, fully connected layers and matrix products."""

import math

import numpy as np

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.capture.tflite.scales import (
    BOUNDS,
    channel_multipliers,
    integer,
    requant,
    tensor_multiplier,
)
from intact.capture.tflite.shapes import reshaped, window_padding
from intact.capture.tflite.single_rounding import reached, single_rounding
from intact.errors import FormatError, UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Value
from intact.numerics.arrays import Array, Codes
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Int
from intact.numerics.integers import weight_integers
from intact.numerics.qtensor import QuantParams, scalar_zero_point


def bounds(net: Builder, operator: Operator, activation: int) -> tuple[float | None, float | None]:
    """The clamp of a fused activation."""
    if activation not in BOUNDS:
        raise UnsupportedOpError(
            f"{net.title(operator)} has fused activation {activation}, which has no integer form"
        )
    return BOUNDS[activation]


def conv(net: Builder, operator: Operator) -> None:
    """CONV_2D: weight (O, kh, kw, C / groups)."""
    options = net.options(operator, "Conv2DOptions")
    weight = _weight(net, operator, 1, 4)
    x = net.codes(operator, 0)
    stride = (options.integer("StrideH"), options.integer("StrideW"))
    dilation = (options.integer("DilationHFactor"), options.integer("DilationWFactor"))
    depth = weight.shape[3]
    if x.shape[-1] % depth:
        raise FormatError(
            f"{net.title(operator)} has {x.shape[-1]} channels for weights of {depth}"
        )
    activation = options.integer("FusedActivationFunction")
    padding = window_padding(
        net, operator, options.integer("Padding"), x, weight.shape[1:3], stride, dilation
    )
    inputs, zero_point, finish = _layer(net, operator, x, weight, 0, activation)
    op = int_ops.QConv2d(
        stride, padding, dilation, x.shape[-1] // depth, _zero(net, operator), zero_point, finish
    )
    net.emit(operator, op, inputs)


def depthwise(net: Builder, operator: Operator) -> None:
    """DEPTHWISE_CONV_2D: weight (1, kh, kw, C * multiplier)."""
    options = net.options(operator, "DepthwiseConv2DOptions")
    weight = _weight(net, operator, 1, 4)
    x = net.codes(operator, 0)
    stride = (options.integer("StrideH"), options.integer("StrideW"))
    dilation = (options.integer("DilationHFactor"), options.integer("DilationWFactor"))
    if weight.shape[0] != 1:
        raise FormatError(f"{net.title(operator)} has weights of shape {weight.shape}")
    activation = options.integer("FusedActivationFunction")
    padding = window_padding(
        net, operator, options.integer("Padding"), x, weight.shape[1:3], stride, dilation
    )
    moved = weight.transpose(3, 1, 2, 0)
    inputs, zero_point, finish = _layer(net, operator, x, moved, 3, activation)
    op = int_ops.QConv2d(
        stride, padding, dilation, x.shape[-1], _zero(net, operator), zero_point, finish
    )
    net.emit(operator, op, inputs)


def fully_connected(net: Builder, operator: Operator) -> None:
    """FULLY_CONNECTED: weight (O, I); without keep_num_dims, x becomes a matrix first."""
    options = net.options(operator, "FullyConnectedOptions")
    if options.integer("WeightsFormat") != 0:
        raise UnsupportedOpError(f"{net.title(operator)} has shuffled weights")
    weight = _weight(net, operator, 1, 2)
    x = net.codes(operator, 0)
    inputs, zero_point, finish = _layer(
        net, operator, x, weight, 0, options.integer("FusedActivationFunction")
    )
    if len(x.shape) != 2 and not options.integer("KeepNumDims"):
        elements = abs(math.prod(x.shape))
        target = [elements // weight.shape[1], weight.shape[1]]
        flat = ops.Reshape(reshaped(net, operator, x.shape, target))
        inputs = (net.between(operator, flat, [x], x.params, "rows"), *inputs[1:])
    net.emit(operator, int_ops.QLinear(_zero(net, operator), zero_point, finish), inputs)


def _zero(net: Builder, operator: Operator) -> int:
    """Zero point of a layer's input 0."""
    return scalar_zero_point(net.params(operator.inputs[0]))


def _weight(net: Builder, operator: Operator, position: int, rank: int) -> Codes:
    array = net.constant_array(operator, position)
    tensor = net.tensor(operator.inputs[position])
    if tensor.type not in ("INT8", "UINT8", "INT4"):
        raise UnsupportedOpError(
            f"{net.title(operator)} has {tensor.type} weights; intact reads int8, uint8 and int4"
        )
    if array.ndim != rank:
        raise FormatError(f"{net.title(operator)} has weights of shape {array.shape}")
    return array


def _layer(
    net: Builder, operator: Operator, x: Value, weight: Codes, axis: int, activation: int
) -> tuple[tuple[Value, Value, Value], tuple[int, ...] | None, Requant]:
    """(x, weight, bias), zero points of the weight, requantization; weight is (O, ..., I)."""
    index = net.input(operator, 1)
    scales = net.tensor(index).scales
    source, output = net.params(operator.inputs[0]), net.params(operator.outputs[0])
    channels = len(weight)
    if scales is None or len(scales.scale) not in (1, channels):
        raise FormatError(f"{net.title(operator)} has no scale for each of {channels} channels")
    if len(scales.scale) > 1 and scales.axis != axis:
        raise UnsupportedOpError(
            f"{net.title(operator)} has scales along axis {scales.axis} of its weights, where"
            f" intact reads axis {axis}"
        )
    bias = _bias(net, operator, channels, source)
    legacy = source.format == Int(8, signed=False)
    multiplier = (tensor_multiplier if legacy else channel_multipliers)(
        source, scales.scale, output
    )
    clamped = bounds(net, operator, activation)
    finish = requant(multiplier, output, clamped, wide=bias.dtype == Int(64))
    value, zero_points = _weight_value(net, index, weight)
    if operator.code == "FULLY_CONNECTED" and source.format == Int(8):
        integers = weight_integers(weight, value.dtype, zero_points)
        format, zero = integer(source), scalar_zero_point(source)
        sums = reached(integers, net.constants[bias.name], (format.qmin - zero, format.qmax - zero))
        finish = single_rounding(finish, multiplier, sums)
    return (x, value, bias), zero_points, finish


def _weight_value(net: Builder, index: int, weight: Codes) -> tuple[Value, tuple[int, ...] | None]:
    tensor = net.tensor(index)
    assert tensor.scales is not None
    format = Int(4) if tensor.type == "INT4" else Int(8, signed=tensor.type == "INT8")
    zero_points = tensor.scales.zero_point
    if ((zero_points < format.qmin) | (zero_points > format.qmax)).any():
        raise FormatError(f'"{net.name(index)}" has a zero point that is no {format}')
    scale = tensor.scales.scale
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise FormatError(f'"{net.name(index)}" has a scale that is not positive')
    shape = (-1,) + (1,) * (weight.ndim - 1)
    symmetric = not zero_points.any()
    if symmetric and format.signed and int(weight.min()) > format.qmin:
        format = Int(format.bits, narrow=True)
    params = QuantParams(
        format, scale.reshape(shape), None if symmetric else zero_points.reshape(shape)
    )
    offsets = None if symmetric else tuple(int(z) for z in zero_points)
    return net.constant(net.name(index), weight, format, params), offsets


def _bias(net: Builder, operator: Operator, channels: int, source: QuantParams) -> Value:
    """The bias, or zeros: of 64 bits where activations have 16, unless the file says 32."""
    if not net.has_input(operator, 2):
        bits = 64 if integer(source).bits > 8 else 32
        name = f"{net.name(operator.outputs[0])}.bias"
        return net.constant(name, np.zeros(channels, np.int64), Int(bits))
    array: Array = net.constant_array(operator, 2)
    index = operator.inputs[2]
    kind = net.tensor(index).type
    if kind not in ("INT32", "INT64") or array.size != channels:
        raise FormatError(f"{net.title(operator)} has a bias of {array.size} {kind}")
    return net.constant(net.name(index), array.reshape(-1), Int(32 if kind == "INT32" else 64))
