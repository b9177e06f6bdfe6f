"""Activation functions of real numbers; float32 and float64 keep their precision."""

from collections.abc import Callable, Mapping

import numpy as np

from intact.ir import float_ops as ops
from intact.numerics.arrays import Array
from intact.numerics.special import erf


def activate(op: ops.Activation, x: Array) -> Array:
    """The activation of every element, in x's own precision."""
    return _FUNCTIONS[type(op)](op, x)


def _relu(_: ops.Relu, x: Array) -> Array:
    out: Array = np.maximum(x, 0)
    return out


def _clamp(op: ops.Clamp, x: Array) -> Array:
    if op.low is None and op.high is None:
        return x
    out: Array = np.clip(x, op.low, op.high)
    return out


def _leaky_relu(op: ops.LeakyRelu, x: Array) -> Array:
    return np.where(x >= 0, x, x * x.dtype.type(op.slope))


def _hard_sigmoid(_: ops.HardSigmoid, x: Array) -> Array:
    return np.asarray(np.clip(x + 3, 0, 6) / 6)


def _hard_swish(_: ops.HardSwish, x: Array) -> Array:
    return np.asarray(x * np.clip(x + 3, 0, 6) / 6)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small))


def _sigmoid(_: ops.Sigmoid, x: Array) -> Array:
    return sigmoid(x)


def _tanh(_: ops.Tanh, x: Array) -> Array:
    return np.asarray(np.tanh(x))


def _silu(_: ops.Silu, x: Array) -> Array:
    return np.asarray(x * sigmoid(x))


def _gelu(op: ops.Gelu, x: Array) -> Array:
    if op.tanh:
        inner = x.dtype.type(np.sqrt(2 / np.pi)) * (x + x.dtype.type(0.044715) * x * x * x)
        return np.asarray(x / 2 * (1 + np.tanh(inner)))
    phi = (1 + erf(x * x.dtype.type(np.sqrt(0.5)))) / 2
    return np.asarray(x * phi)


_FUNCTIONS: Mapping[type, Callable[..., Array]] = {
    ops.Relu: _relu,
    ops.Clamp: _clamp,
    ops.LeakyRelu: _leaky_relu,
    ops.HardSigmoid: _hard_sigmoid,
    ops.HardSwish: _hard_swish,
    ops.Sigmoid: _sigmoid,
    ops.Tanh: _tanh,
    ops.Silu: _silu,
    ops.Gelu: _gelu,
}
