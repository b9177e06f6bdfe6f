"""Native activations, sums, products and normalizations of real numbers."""

import math

import numpy as np

from intact.errors import UnsupportedOpError
from intact.exec.native.building import Built, Constants, built, given
from intact.exec.native.library import native
from intact.ir import float_ops as ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.formats import FP32


def activation(op: ops.Activation, node: Node[IntOp], constants: Constants) -> Built:
    """Any activation."""
    kind, low, high = _activation(op)
    return built(native.activation(kind, low, high, constants.isa), node)


def _activation(op: ops.Activation) -> tuple[native.Activation, float, float]:
    """The native activation and its numbers."""
    kinds = native.Activation
    match op:
        case ops.Relu():
            return kinds.clamp, 0.0, math.inf
        case ops.Clamp(low, high):
            return (
                kinds.clamp,
                -math.inf if low is None else low,
                math.inf if high is None else high,
            )
        case ops.LeakyRelu(slope):
            return kinds.leaky_relu, slope, 0.0
        case ops.Gelu(tanh):
            return (kinds.gelu_tanh if tanh else kinds.gelu), 0.0, 0.0
        case ops.HardSigmoid():
            return kinds.hard_sigmoid, 0.0, 0.0
        case ops.HardSwish():
            return kinds.hard_swish, 0.0, 0.0
        case ops.Sigmoid():
            return kinds.sigmoid, 0.0, 0.0
        case ops.Tanh():
            return kinds.tanh, 0.0, 0.0
        case ops.Silu():
            return kinds.silu, 0.0, 0.0


def add(op: ops.Add, node: Node[IntOp], constants: Constants) -> Built:
    """Add of real numbers."""
    del op, constants
    _check_real(node)
    return built(native.float_add(), node, 2)


def sub(op: ops.Sub, node: Node[IntOp], constants: Constants) -> Built:
    """Sub of real numbers."""
    del op, constants
    _check_real(node)
    return built(native.float_sub(), node, 2)


def mul(op: ops.Mul, node: Node[IntOp], constants: Constants) -> Built:
    """Mul of real numbers."""
    del op, constants
    _check_real(node)
    return built(native.float_mul(), node, 2)


def _check_real(node: Node[IntOp]) -> None:
    for value in node.inputs:
        if value.dtype != FP32:
            raise UnsupportedOpError(
                f'{type(node.op).__name__} at "{node.name}" has no native form for'
                f' "{value.name}" of {value.dtype}; use executor="reference"'
            )


def prelu(op: ops.Prelu, node: Node[IntOp], constants: Constants) -> Built:
    """Prelu."""
    del op, constants
    return built(native.float_prelu(), node, 2)


def channel_clamp(op: ops.ChannelClamp, node: Node[IntOp], constants: Constants) -> Built:
    """ChannelClamp.

    Raises:
        UnsupportedOpError: if a bound is computed.
    """
    del op
    low, high = (given(value, node, constants) for value in node.inputs[1:])
    return built(native.channel_clamp(low, high), node)


def batch_norm(op: ops.BatchNorm, node: Node[IntOp], constants: Constants) -> Built:
    """BatchNorm: a gain and a shift for each channel.

    Raises:
        UnsupportedOpError: if a statistic is computed.
    """
    gamma, beta, mean, variance = (given(value, node, constants) for value in node.inputs[1:])
    gain = (gamma / np.sqrt(variance + np.float32(op.eps))).astype(np.float32)
    shift = (beta - mean * gain).astype(np.float32)
    return built(native.channel_affine(gain, shift), node)


def layer_norm(op: ops.LayerNorm, node: Node[IntOp], constants: Constants) -> Built:
    """LayerNorm."""
    return built(native.float_layer_norm(op.axes, op.eps, constants.isa), node, 3)


def group_norm(op: ops.GroupNorm, node: Node[IntOp], constants: Constants) -> Built:
    """GroupNorm."""
    return built(native.float_group_norm(op.groups, op.eps, constants.isa), node, 3)


def softmax(op: ops.Softmax, node: Node[IntOp], constants: Constants) -> Built:
    """Softmax."""
    return built(native.float_softmax(op.axis, constants.isa), node)
