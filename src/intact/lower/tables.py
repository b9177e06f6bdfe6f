"""Activation functions of one number as tables (arithmetic.md, section 6)."""

import math
from collections.abc import Callable

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.int_ops import InterpolatedLookup, Lookup
from intact.numerics.arrays import F64, IntArray
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.numerics.tables import (
    hard_swish_table,
    interpolated_table,
    leaky_relu_table,
    logistic_table,
    lookup_table,
    tanh_table,
)

_erf = np.vectorize(math.erf, otypes=[np.float64])


def activation_lookup(
    op: ops.Activation, source: QuantParams, output: QuantParams
) -> Lookup | InterpolatedLookup:
    """The table of `op` from codes of `source` to codes of `output`.

    int8 to int8 follows TFLite's fixed-point kernels where it has one (sigmoid, tanh, leaky ReLU,
    hard-swish); any other table holds the nearest code of the float64 function.
    """
    assert isinstance(source.format, Int)
    if source.format.bits > 8:
        return InterpolatedLookup(interpolated_table(real_function(op), source, output), op)
    both_int8 = source.format.bits == 8 and output.format == source.format == Int(8)
    return Lookup(
        _int8_table(op, source, output) if both_int8 else _nearest(op, source, output), op
    )


def _nearest(op: ops.Activation, source: QuantParams, output: QuantParams) -> IntArray:
    return lookup_table(real_function(op), source, output)


def _int8_table(op: ops.Activation, source: QuantParams, output: QuantParams) -> IntArray:
    match op:
        case ops.Sigmoid():
            return logistic_table(source)
        case ops.Tanh():
            return tanh_table(source)
        case ops.LeakyRelu(slope) if slope >= 0:
            return leaky_relu_table(slope, source, output)
        case ops.HardSwish():
            return hard_swish_table(source, output)
        case _:
            return _nearest(op, source, output)


def real_function(op: ops.Activation) -> Callable[[F64], F64]:
    """The activation on float64."""
    match op:
        case ops.Relu():
            return lambda x: np.maximum(x, 0)
        case ops.Clamp(low, high):
            bounds = (-np.inf if low is None else low, np.inf if high is None else high)
            return lambda x: np.clip(x, *bounds)
        case ops.LeakyRelu(slope):
            return lambda x: np.where(x >= 0, x, slope * x)
        case ops.HardSigmoid():
            return lambda x: np.clip(x + 3, 0, 6) / 6
        case ops.HardSwish():
            return lambda x: x * np.clip(x + 3, 0, 6) / 6
        case ops.Sigmoid():
            return _sigmoid
        case ops.Tanh():
            return np.tanh
        case ops.Silu():
            return lambda x: x * _sigmoid(x)
        case ops.Gelu(tanh):
            return _gelu_tanh if tanh else _gelu


def _sigmoid(x: F64) -> F64:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def _gelu(x: F64) -> F64:
    return np.asarray(0.5 * x * (1 + _erf(x / math.sqrt(2))))


def _gelu_tanh(x: F64) -> F64:
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
