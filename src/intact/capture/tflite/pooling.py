"""Pools, means, softmax and resizing."""

import numpy as np

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.capture.tflite.linear import bounds
from intact.capture.tflite.scales import integer, scale32
from intact.capture.tflite.shapes import window_padding
from intact.errors import UnsupportedOpError
from intact.ir import int_ops
from intact.lower.normalization import softmax8, softmax16
from intact.numerics.qtensor import scalar_scale, scalar_zero_point


def pool(net: Builder, operator: Operator) -> None:
    """AVERAGE_POOL_2D and MAX_POOL_2D: codes keep their meaning."""
    options = net.options(operator, "Pool2DOptions")
    x = net.codes(operator, 0)
    kernel = (options.integer("FilterHeight"), options.integer("FilterWidth"))
    stride = (options.integer("StrideH"), options.integer("StrideW"))
    padding = window_padding(net, operator, options.integer("Padding"), x, kernel, stride)
    op: int_ops.IntOp
    if operator.code == "MAX_POOL_2D":
        op = int_ops.QMaxPool2d(kernel, stride, padding, (1, 1))
    else:
        zero_point = scalar_zero_point(net.params(operator.inputs[0]))
        op = int_ops.QAvgPool2d(kernel, stride, padding, False, (0, 0), zero_point)
    activation = options.integer("FusedActivationFunction")
    net.emit_clamped(operator, op, [x], bounds(net, operator, activation))


def softmax(net: Builder, operator: Operator) -> None:
    """SOFTMAX over the last axis; beta scales the input."""
    beta = net.options(operator, "SoftmaxOptions").real("Beta")
    source = net.params(operator.inputs[0])
    x = net.codes(operator, 0)
    if not (0 < beta < 1e6):
        raise UnsupportedOpError(f"{net.title(operator)} has beta {beta}")
    op: int_ops.IntOp
    if integer(source).bits == 8:
        op = softmax8(beta * scalar_scale(source))
    else:
        op = softmax16(float(scale32(source) * np.float32(beta)))
    net.emit(operator, op, [x])
