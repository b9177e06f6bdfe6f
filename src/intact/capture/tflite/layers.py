"""What convolutions and fully connected layers share: weight, bias and requantization."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator, Scales
from intact.capture.tflite.fused import bounds
from intact.capture.tflite.scales import (
    Bounds,
    channel_multipliers,
    integer,
    is_scale,
    requant,
    tensor_multiplier,
)
from intact.capture.tflite.single_rounding import Sums, single_rounding
from intact.errors import FormatError, UnsupportedOpError
from intact.ir.graph import Value
from intact.numerics.arrays import Codes, IntArray
from intact.numerics.fixedpoint import INT32_MAX, Int64Array, Requant
from intact.numerics.formats import Int
from intact.numerics.integers import weight_integers
from intact.numerics.qtensor import QuantParams, scalar_zero_point
from intact.numerics.sums import reached_sums

_WEIGHTS = {"INT4": Int(4), "INT8": Int(8), "UINT8": Int(8, signed=False)}


@dataclass(frozen=True, slots=True)
class Roles:
    """The positions of a layer's inputs."""

    x: int
    weight: int
    bias: int


USUAL = Roles(0, 1, 2)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's inputs, and its numbers that are not tensors."""

    inputs: tuple[Value, Value, Value]  # x, weight, bias
    input_zero_point: int
    weight_zero_point: tuple[int, ...] | None
    requant: Requant


@dataclass(frozen=True, slots=True)
class _Weight:
    codes: Codes  # (O, ..., I)
    format: Int
    scales: Scales  # one, or one for each output channel

    @property
    def zero_point(self) -> tuple[int, ...] | None:
        """None where all are 0."""
        points = self.scales.zero_point
        return tuple(int(z) for z in points) if points.any() else None

    def integers(self) -> Int64Array:
        """Less their zero points."""
        return weight_integers(self.codes, self.format, self.zero_point)


def weight_codes(net: Builder, operator: Operator, position: int, rank: int) -> Codes:
    """The codes of a weight, as the file lays them out."""
    array = net.constant_array(operator, position)
    tensor = net.tensor(operator.inputs[position])
    if tensor.type not in _WEIGHTS:
        raise UnsupportedOpError(
            f"{net.title(operator)} has {tensor.type} weights; intact reads int8, uint8 and int4"
        )
    if array.ndim != rank:
        raise FormatError(f"{net.title(operator)} has weights of shape {array.shape}")
    return array


def layer(
    net: Builder,
    operator: Operator,
    codes: Codes,
    activation: int,
    at: Roles = USUAL,
    axis: int = 0,
) -> Layer:
    """Everything for weights (O, ..., I) whose output channels are `axis` in the file."""
    x, index = net.codes(operator, at.x), net.input(operator, at.weight)
    source, output = net.params(operator.inputs[at.x]), net.params(operator.outputs[0])
    weight = _weight(net, operator, index, codes, axis)
    bias, bits = _bias(net, operator, at.bias, len(codes), source)
    clamp = bounds(net, operator, activation)
    if operator.code == "FULLY_CONNECTED":
        bits, finish = _by_float64(weight, bias, source, output, clamp)
    else:
        legacy = source.format == Int(8, signed=False)
        multiplier = tensor_multiplier if legacy else channel_multipliers
        real = multiplier(source, weight.scales.scale, output)
        finish = requant(real, output, clamp, bits)
    made = net.parameter(index, codes, weight.format, _params(weight))
    inputs = (x, made, _bias_value(net, operator, at.bias, bias, bits))
    return Layer(inputs, scalar_zero_point(source), weight.zero_point, finish)


def _by_float64(
    weight: _Weight, bias: Int64Array, source: QuantParams, output: QuantParams, clamp: Bounds
) -> tuple[Literal[32, 64], Requant]:
    """FULLY_CONNECTED, which LiteRT's reference kernel multiplies in float64.

    8-bit codes mostly have a multiplier that rounds as it does. For 16 bits 31 of a multiplier's
    bits come nearest, where sums have room for them, though they round twice.
    """
    real = channel_multipliers(source, weight.scales.scale, output)
    format, zero_point = integer(source), scalar_zero_point(source)
    inputs = (format.qmin - zero_point, format.qmax - zero_point)
    sums = Sums(*reached_sums(weight.integers(), bias, inputs))
    if format.bits == 8:
        return 32, single_rounding(requant(real, output, clamp), real, sums)
    largest = max(-int(sums.low.min()), int(sums.high.max()))
    bits: Literal[32, 64] = 32 if largest <= INT32_MAX else 64
    return bits, requant(real, output, clamp, bits)


def _weight(net: Builder, operator: Operator, index: int, codes: Codes, axis: int) -> _Weight:
    tensor = net.tensor(index)
    format, scales, channels = _WEIGHTS[tensor.type], tensor.scales, len(codes)
    if scales is None or len(scales.scale) not in (1, channels):
        raise FormatError(f"{net.title(operator)} has no scale for each of {channels} channels")
    if len(scales.scale) > 1 and scales.axis != axis:
        raise UnsupportedOpError(
            f"{net.title(operator)} has scales along axis {scales.axis} of its weights, where"
            f" intact reads axis {axis}"
        )
    if not is_scale(np.maximum(scales.scale, 1)) or not (scales.scale > 0).all():
        raise FormatError(f'"{net.name(index)}" has a scale that is not positive, or huge')
    lone = operator.code == "FULLY_CONNECTED" and len(scales.scale) == 1
    if format.signed and scales.zero_point.any() and not lone:
        raise UnsupportedOpError(
            f"{net.title(operator)} has signed weights with a zero point, which TFLite ignores;"
            " convert with symmetric weights"
        )
    if ((scales.zero_point < format.qmin) | (scales.zero_point > format.qmax)).any():
        raise FormatError(f'"{net.name(index)}" has a zero point that is no {format}')
    if format.signed and not scales.zero_point.any() and int(codes.min()) > format.qmin:
        format = Int(format.bits, narrow=True)
    return _Weight(codes, format, scales)


def _params(weight: _Weight) -> QuantParams:
    """Scales in the kernel layout's rank, for exporters and reports."""
    shape = (-1,) + (1,) * (weight.codes.ndim - 1)
    points = weight.scales.zero_point
    return QuantParams(
        weight.format,
        weight.scales.scale.reshape(shape),
        points.reshape(shape) if points.any() else None,
    )


def _bias(
    net: Builder, operator: Operator, position: int, channels: int, source: QuantParams
) -> tuple[Int64Array, Literal[32, 64]]:
    """The bias, or zeros, and the bits of the sum: 64 for 16-bit codes, unless the bias has 32."""
    wide = integer(source).bits > 8
    if not net.has_input(operator, position):
        return np.zeros(channels, np.int64), 64 if wide else 32
    array: IntArray = net.constant_array(operator, position)
    kind = net.tensor(operator.inputs[position]).type
    if array.size != channels or (kind != "INT32" and not (wide and kind == "INT64")):
        raise FormatError(f"{net.title(operator)} has a bias of {array.size} {kind}")
    return array.reshape(-1).astype(np.int64), 64 if kind == "INT64" else 32


def _bias_value(
    net: Builder, operator: Operator, position: int, bias: Int64Array, bits: Literal[32, 64]
) -> Value:
    if net.has_input(operator, position):
        return net.parameter(operator.inputs[position], bias, Int(bits))
    return net.constant(f"{net.name(operator.outputs[0])}.bias", bias, Int(bits))
