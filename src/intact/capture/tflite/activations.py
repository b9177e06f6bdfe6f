"""Activation functions: clamps, tables over all codes, slopes."""

import math
from collections.abc import Callable

import numpy as np

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.capture.tflite.scales import Bounds, integer, ratio32, requant, scale32
from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.lower.requant import saturating_multiplier
from intact.numerics.arrays import F32, IntArray
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams, scalar_zero_point
from intact.numerics.tables import float32_table, hard_swish_table, logistic32, slopes_table

_CLAMPS: dict[str, Bounds] = {
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}


def _erf(x: F32) -> F32:
    return np.array([math.erf(number) for number in x.tolist()], np.float32)


def clamp(net: Builder, operator: Operator) -> None:
    """RELU and its kin: a change of scale with bounds."""
    source, output = _params(net, operator)
    finish = requant(ratio32(source, output), output, _CLAMPS[operator.code])
    op = int_ops.Requantize(scalar_zero_point(source), finish)
    net.emit(operator, op, [net.codes(operator, 0)])


def logistic(net: Builder, operator: Operator) -> None:
    """LOGISTIC, computed in float32 for each code."""
    _table(net, operator, ops.Sigmoid(), logistic32)


def tanh(net: Builder, operator: Operator) -> None:
    """TANH, computed in float32 for each code."""
    _table(net, operator, ops.Tanh(), np.tanh)


def gelu(net: Builder, operator: Operator) -> None:
    """GELU, computed in float32 for each code."""
    tanh_form = bool(net.options(operator, "GeluOptions").integer("Approximate"))
    _table(net, operator, ops.Gelu(tanh_form), _gelu_tanh if tanh_form else _gelu)


def _gelu(x: F32) -> F32:
    half, one = np.float32(0.5), np.float32(1)
    return half * x * (one + _erf(x * np.float32(math.sqrt(0.5))))


def _gelu_tanh(x: F32) -> F32:
    half, one = np.float32(0.5), np.float32(1)
    factor = np.float32(math.sqrt(2 / math.pi))
    return np.asarray(half * x * (one + np.tanh(factor * (x + np.float32(0.044715) * x * x * x))))


def _table(
    net: Builder, operator: Operator, function: ops.Activation, f: Callable[[F32], F32]
) -> None:
    """LUTPopulate: the nearest code of f(x), all in float32."""
    source, output = _params(net, operator)
    _check_bytes(net, operator, source)
    _emit_table(net, operator, function, float32_table(f, source, output))


def hard_swish(net: Builder, operator: Operator) -> None:
    """HARD_SWISH: 16-bit fixed point."""
    source, output = _params(net, operator)
    _check_bytes(net, operator, source)
    shift = 0 if integer(source).signed else 128
    table = hard_swish_table(_as_int8(source), _as_int8(output)).astype(np.int64)
    _emit_table(net, operator, ops.HardSwish(), table + shift)


def _as_int8(params: QuantParams) -> QuantParams:
    """The same numbers, in int8: codes of uint8 are 128 higher."""
    zero_point = scalar_zero_point(params) - (0 if integer(params).signed else 128)
    return QuantParams(Int(8), params.scale, np.asarray(zero_point))


def leaky_relu(net: Builder, operator: Operator) -> None:
    """LEAKY_RELU: one multiplier for each sign."""
    alpha = np.float32(net.options(operator, "LeakyReluOptions").real("Alpha"))
    source, output = _params(net, operator)
    if not 0 <= alpha < 1e6:
        raise UnsupportedOpError(f"{net.title(operator)} has slope {alpha}")
    slope = float(scale32(source) * alpha / scale32(output))
    if integer(source).bits > 8:
        _slopes(net, operator, (source, output), slope)
        return
    positive, negative = (saturating_multiplier(r) for r in (ratio32(source, output), slope))
    table = slopes_table(source, output, positive, negative)
    _emit_table(net, operator, ops.LeakyRelu(float(alpha)), table)


def _slopes(
    net: Builder, operator: Operator, params: tuple[QuantParams, QuantParams], slope: float
) -> None:
    """LEAKY_RELU of 16 bits: a PRELU whose slope has code 1."""
    source, output = params
    one = net.constant(f"{net.name(operator.outputs[0])}.slope", np.ones(1), Int(8))
    op = int_ops.QPrelu(
        scalar_zero_point(source), 0, requant(ratio32(source, output), output),
        requant(slope, output),
    )  # fmt: skip
    net.emit(operator, op, [net.codes(operator, 0), one])


def prelu(net: Builder, operator: Operator) -> None:
    """PRELU with a slope for each channel."""
    source, output = _params(net, operator)
    _check_bytes(net, operator, source)
    index = net.input(operator, 1)
    slopes = net.constant_array(operator, 1)
    x = net.codes(operator, 0)
    if slopes.size not in (1, slopes.shape[-1] if slopes.ndim else 1) or len(x.shape) < 2:
        raise UnsupportedOpError(
            f"{net.title(operator)} has slopes of shape {slopes.shape}; intact reads one for each"
            " channel"
        )
    params = net.params(index)
    product = scale32(source) * scale32(params) / scale32(output)
    op = int_ops.QPrelu(
        scalar_zero_point(source),
        scalar_zero_point(params),
        requant(ratio32(source, output), output),
        requant(float(product), output),
    )
    slope = net.parameter(index, slopes.reshape(-1), params.format, params)
    net.emit(operator, op, [x, slope])


def _params(net: Builder, operator: Operator) -> tuple[QuantParams, QuantParams]:
    return net.params(net.input(operator, 0)), net.params(operator.outputs[0])


def _check_bytes(net: Builder, operator: Operator, source: QuantParams) -> None:
    if integer(source).bits > 8:
        raise UnsupportedOpError(
            f"{net.title(operator)} of 16 bits: intact has not TFLite's integers for it. Convert"
            " the network with 8-bit activations"
        )


def _centred(source: QuantParams) -> IntArray:
    """Code less zero point, of every code."""
    format = integer(source)
    return np.arange(format.qmin, format.qmax + 1) - scalar_zero_point(source)


def _emit_table(
    net: Builder, operator: Operator, function: ops.Activation, codes: np.ndarray
) -> None:
    output = net.params(operator.outputs[0])
    format = integer(output)
    table = np.clip(codes, format.qmin, format.qmax).astype(format.storage)
    net.emit(operator, int_ops.Lookup(table, function), [net.codes(operator, 0)])
