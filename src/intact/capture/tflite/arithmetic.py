"""Sums, differences and products; changes of scale."""

import math

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.declared import ACTIVATIONS
from intact.capture.tflite.file import Operator
from intact.capture.tflite.fused import bounds
from intact.capture.tflite.scales import integer, ratio, requant, scale32
from intact.errors import UnsupportedOpError
from intact.ir import int_ops
from intact.numerics.fixedpoint import quantize_multiplier
from intact.numerics.qtensor import QuantParams, scalar_zero_point


def add(net: Builder, operator: Operator) -> None:
    """ADD: both sides on the common scale 2 * max / 2**left_shift."""
    options = net.options(operator, "AddOptions")
    kind, activation = int_ops.QAdd, options.integer("FusedActivationFunction")
    _sum(net, operator, kind, activation, bool(options.integer("PotScaleInt16")))


def sub(net: Builder, operator: Operator) -> None:
    """SUB, otherwise as ADD."""
    options = net.options(operator, "SubOptions")
    kind, activation = int_ops.QSub, options.integer("FusedActivationFunction")
    _sum(net, operator, kind, activation, bool(options.integer("PotScaleInt16")))


def _sum(
    net: Builder,
    operator: Operator,
    kind: type[int_ops.QAdd] | type[int_ops.QSub],
    activation: int,
    shifts: bool,
) -> None:
    a, b = net.codes(operator, 0), net.codes(operator, 1)
    sources = [net.params(index) for index in operator.inputs[:2]]
    output = net.params(operator.outputs[0])
    wide = integer(output).bits > 8
    if wide and shifts and all(_power_of_two(p) for p in (*sources, output)):
        raise UnsupportedOpError(
            f"{net.title(operator)} adds 16-bit codes by shifts alone (pot_scale_int16); convert"
            " the network again with a newer converter"
        )
    left_shift = 15 if wide else 20
    common = 2 * max(float(scale32(p)) for p in sources)
    first, second = (_operand(params, common) for params in sources)
    real = common / ((1 << left_shift) * float(scale32(output)))
    finish = requant(real, output, bounds(net, operator, activation))
    net.emit(operator, kind(first, second, left_shift, finish), [a, b])


def _operand(params: QuantParams, common: float) -> int_ops.Operand:
    """One side on the common scale."""
    multiplier, shift = quantize_multiplier(float(scale32(params)) / common)
    return int_ops.Operand(scalar_zero_point(params), int(multiplier), int(shift))


def _power_of_two(params: QuantParams) -> bool:
    """CheckedLog2: within 1e-3 of a power of two, by its logarithm; and symmetric."""
    exponent = math.log2(float(scale32(params)))
    return scalar_zero_point(params) == 0 and abs(exponent - round(exponent)) < 1e-3


def mul(net: Builder, operator: Operator) -> None:
    """MUL: the scales multiplied and divided in float32."""
    activation = net.options(operator, "MulOptions").integer("FusedActivationFunction")
    a, b = net.codes(operator, 0), net.codes(operator, 1)
    first, second = (net.params(index) for index in operator.inputs[:2])
    output = net.params(operator.outputs[0])
    real = float(scale32(first) * scale32(second) / scale32(output))
    finish = requant(real, output, bounds(net, operator, activation))
    op = int_ops.QMul(scalar_zero_point(first), scalar_zero_point(second), finish)
    net.emit(operator, op, [a, b])


def quantize(net: Builder, operator: Operator) -> None:
    """QUANTIZE: of real numbers, or codes to codes."""
    output = net.params(operator.outputs[0])
    if net.tensor(net.input(operator, 0)).type not in ACTIVATIONS:
        net.emit(operator, int_ops.Quantize(output), [net.real(operator, 0)])
        return
    source = net.params(operator.inputs[0])
    finish = requant(ratio(source, output), output)
    op = int_ops.Requantize(scalar_zero_point(source), finish)
    net.emit(operator, op, [net.codes(operator, 0)])


def dequantize(net: Builder, operator: Operator) -> None:
    """DEQUANTIZE."""
    x = net.codes(operator, 0)
    net.emit(operator, int_ops.Dequantize(net.params(operator.inputs[0])), [x])
