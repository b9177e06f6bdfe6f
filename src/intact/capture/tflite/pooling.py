"""Pools, means, maxima and softmax."""

import math

import numpy as np

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.capture.tflite.fused import emit_clamped
from intact.capture.tflite.movement import axis_of
from intact.capture.tflite.scales import integer, ratio, requant, scale32
from intact.capture.tflite.shapes import window_padding
from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.lower.normalization import softmax8, softmax16
from intact.numerics.fixedpoint import divided
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
    emit_clamped(net, operator, op, [x], activation)


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


def mean(net: Builder, operator: Operator) -> None:
    """MEAN over axes: the multiplier is divided by their size."""
    keep = bool(net.options(operator, "ReducerOptions").integer("KeepDims"))
    x = net.codes(operator, 0)
    source, output = net.params(operator.inputs[0]), net.params(operator.outputs[0])
    rank = len(x.shape)
    axes = tuple(sorted({axis_of(net, operator, a, rank) for a in net.integers(operator, 1)}))
    if any(x.shape[axis] < 0 for axis in axes) or not axes:
        raise UnsupportedOpError(f"{net.title(operator)} reduces the batch, or no axis")
    count = math.prod(x.shape[axis] for axis in axes)
    finish = divided(requant(ratio(source, output), output), count)
    op = int_ops.QMean(axes, keep, scalar_zero_point(source), finish)
    net.emit(operator, op, [x])


def largest(net: Builder, operator: Operator) -> None:
    """REDUCE_MAX over all pixels: a pool of one window."""
    keep = bool(net.options(operator, "ReducerOptions").integer("KeepDims"))
    x = net.codes(operator, 0)
    axes = {axis_of(net, operator, a, len(x.shape)) for a in net.integers(operator, 1)}
    if len(x.shape) != 4 or axes != {1, 2}:
        raise UnsupportedOpError(f"{net.title(operator)} is not over the pixels of an image")
    batch, height, width, channels = x.shape
    pixel = int_ops.QMaxPool2d((height, width), (1, 1), ((0, 0), (0, 0)), (1, 1))
    if keep:
        net.emit(operator, pixel, [x])
        return
    pooled = net.between(operator, pixel, [x], x.params, "pixel")
    net.emit(operator, ops.Reshape((batch, channels)), [pooled])
