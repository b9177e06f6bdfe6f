"""Layers that quantize what they read when they run (arithmetic.md, section 10)."""

import numpy as np

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.attributes import ACCUMULATOR_MAX
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node, Shape, Value
from intact.lower.builder import Builder
from intact.lower.images import image_pads, image_pair
from intact.lower.weights import Weight, kernel_weight
from intact.numerics.formats import FP32, Int
from intact.numerics.integers import integer_range


def lower_dynamic(build: Builder, node: Node[FloatOp]) -> str | None:
    """Conv and Linear with a dynamic input → DynamicConv2d, DynamicLinear; real in and out."""
    dynamic = build.dynamic[node.inputs[0].name]
    name = node.inputs[1].name
    weight = kernel_weight(name, build.weights.get(name), node.op)
    if isinstance(weight, str):
        return weight
    if weight.zero_point is not None:
        return "its weights are asymmetric"
    if _overflows(weight, dynamic.format):
        return f"a sum of {weight.codes[0].size} products overflows its accumulator"
    codes = build.constant(name, weight.codes, weight.format, weight.params())
    channels = weight.codes.shape[0]
    scale = np.broadcast_to(weight.scale, (channels,))
    scales = build.constant(f"{name}.scale", scale, FP32)
    bias_name = node.inputs[2].name if len(node.inputs) > 2 else f"{node.name}.bias"
    bias = build.graph.constants.get(bias_name, np.zeros(channels, np.float32))
    parameters = (codes, scales, build.constant(bias_name, bias, FP32))
    x = build.real(node.inputs[0].name)
    if isinstance(node.op, ops.Conv):
        _emit_dynamic_conv(build, node, node.op, dynamic.format, (x, *parameters))
    else:
        op = int_ops.DynamicLinear(dynamic.format)
        build.emit(op, (x, *parameters), build.real_output(node.output))
    return None


def _overflows(weight: Weight, activation: Int) -> bool:
    """Whether inputs exist for which a sum of products leaves its 32 or, above 8 bits, 48 bits."""
    low, high = integer_range(weight.format)
    largest: int = weight.codes[0].size * max(-low, high) * activation.qmax
    return largest > ACCUMULATOR_MAX[32 if activation.bits <= 8 else 64]


def _emit_dynamic_conv(
    build: Builder, node: Node[FloatOp], op: ops.Conv, format: Int, inputs: tuple[Value, ...]
) -> None:
    x, *parameters = inputs
    image = _channels_last(build, x)
    lowered = int_ops.DynamicConv2d(
        image_pair(op.stride), image_pads(op.padding), image_pair(op.dilation), op.groups, format
    )
    shape = node.output.shape
    spatial: Shape = shape[2:] if len(shape) == 4 else (1, shape[2])
    raw = build.temporary(f"{node.name}.nhwc", (shape[0], *spatial, shape[1]), image)
    build.emit(lowered, (image, *parameters), raw)
    output = build.real_output(node.output)
    if len(shape) == 4:
        build.emit(ops.Permute((0, 3, 1, 2)), (raw,), output)
        return
    plain = build.temporary(f"{node.name}.nchw", (shape[0], shape[1], *spatial), raw)
    build.emit(ops.Permute((0, 3, 1, 2)), (raw,), plain)
    build.emit(ops.Reshape(shape), (plain,), output)


def _channels_last(build: Builder, x: Value) -> Value:
    """Real (N, C, H, W) or (N, C, L) as (N, H, W, C)."""
    if len(x.shape) == 3:
        shape = (x.shape[0], x.shape[1], 1, x.shape[2])
        x = build.emit(ops.Reshape(shape), (x,), build.temporary(f"{x.name}.image", shape, x))
    batch, channels, height, width = x.shape
    made = build.temporary(f"{x.name}.nhwc", (batch, height, width, channels), x)
    return build.emit(ops.Permute((0, 2, 3, 1)), (x,), made)
