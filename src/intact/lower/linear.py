"""Convolution, linear layers, matrix products and embeddings (arithmetic.md, section 3 and 10)."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node, Shape, Value
from intact.lower.builder import Builder, Layout
from intact.lower.requant import (
    FusedActivation,
    integer_format,
    product_bits,
    quantize_bias,
    reach,
    requant,
    scalar_scale,
    scalar_zero_point,
)
from intact.numerics.arrays import F64, Array, Codes
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import FP32, Format, Int, integer_grid
from intact.numerics.qtensor import QuantParams, ScaledTensor

Convolution: TypeAlias = ops.Conv | ops.ConvTranspose


@dataclass(frozen=True, slots=True)
class Weight:
    """A layer's weight in kernel layout: output channels first, input channels last."""

    name: str
    codes: Codes  # (O, ..., I)
    format: Format
    scale: F64  # (O,) or (1,): real = scale * (integer - zero_point)
    zero_point: tuple[int, ...] | None  # (O,) or (1,)

    def integers(self) -> Array:
        """What the codes count for in the accumulator, zero point subtracted."""
        grid = integer_grid(self.format)
        assert grid is not None
        table, _ = grid
        order = np.argsort(self.format.codes())
        index = np.searchsorted(self.format.codes()[order], self.codes)
        values = table[order][index]
        if self.zero_point is None:
            return values
        shape = (-1,) + (1,) * (values.ndim - 1)
        return np.asarray(values - np.asarray(self.zero_point).reshape(shape))

    def params(self) -> QuantParams:
        """Scales in the kernel layout's rank, for exporters and reports."""
        grid = integer_grid(self.format)
        assert grid is not None
        shape = (-1,) + (1,) * (self.codes.ndim - 1)
        scale = (self.scale / grid[1]).astype(np.float32).reshape(shape)
        if self.zero_point is None:
            return QuantParams(self.format, scale)
        return QuantParams(self.format, scale, np.asarray(self.zero_point).reshape(shape))


def kernel_weight(name: str, tensor: object, op: FloatOp) -> Weight | str:
    """A quantized weight in kernel layout, or the reason why integer kernels cannot use it."""
    if not isinstance(tensor, ScaledTensor):
        return "its weights are float"
    grid = integer_grid(tensor.params.format)
    if grid is None:
        return f"its weights are {tensor.params.format}"
    axis = 1 if isinstance(op, ops.ConvTranspose) else 0
    groups = op.groups if isinstance(op, ops.ConvTranspose) else 1
    scale = tensor.params.scale
    if any(n != 1 for i, n in enumerate(scale.shape) if i != axis):
        return "its weights have a scale for each group"
    repeats = groups if scale.size > 1 else 1
    scales = np.tile(scale.astype(np.float64).ravel() * grid[1], repeats)
    offsets = None
    if tensor.params.zero_point is not None and tensor.params.offset.any():
        offsets = tuple(int(z) for z in np.tile(tensor.params.offset.ravel(), repeats))
    codes = _kernel_layout(tensor.codes, op)
    return Weight(name, codes, tensor.params.format, scales, offsets)


def _kernel_layout(codes: Codes, op: FloatOp) -> Codes:
    match op:
        case ops.Conv() if codes.ndim == 3:
            return codes.transpose(0, 2, 1)[:, None]
        case ops.Conv():
            return codes.transpose(0, 2, 3, 1)
        case ops.ConvTranspose():
            inputs, outputs, height, width = codes.shape
            grouped = codes.reshape(op.groups, inputs // op.groups, outputs, height, width)
            moved = grouped.transpose(0, 2, 3, 4, 1)
            return moved.reshape(op.groups * outputs, height, width, inputs // op.groups)
        case _:
            return codes


@dataclass(frozen=True, slots=True)
class Layer:
    """An integer layer: weight and bias constants, and how its accumulator becomes codes."""

    weight: Value
    bias: Value
    weight_zero_point: tuple[int, ...] | None
    requant: Requant


def integer_layer(
    build: Builder, node: Node[FloatOp], target: str, activation: FusedActivation
) -> Layer | str:
    """Constants and Requant of a layer with a weight, or the reason why it stays float."""
    source = build.params.get(node.inputs[0].name)
    output = build.params.get(target)
    source_format = integer_format(source)
    if source is None or source_format is None:
        return "its input is float"
    if output is None or integer_format(output) is None:
        return "its output is float"
    weight_name = node.inputs[1].name
    weight = kernel_weight(weight_name, build.weights.get(weight_name), node.op)
    if isinstance(weight, str):
        return weight
    bias = build.graph.constants[node.inputs[2].name] if len(node.inputs) > 2 else None
    real_bias = np.zeros(weight.codes.shape[0]) if bias is None else bias.astype(np.float64)
    weight = _room_for_bias(weight, real_bias, scalar_scale(source))
    bits = _accumulator_bits(weight, source, source_format, real_bias)
    unit = weight.scale * scalar_scale(source)
    codes = quantize_bias(real_bias, unit, bits)
    bias_name = node.inputs[2].name if len(node.inputs) > 2 else f"{node.name}.bias"
    return Layer(
        weight=build.constant(weight.name, weight.codes, weight.format, weight.params()),
        bias=build.constant(bias_name, codes, Int(bits)),
        weight_zero_point=weight.zero_point,
        requant=requant(unit / scalar_scale(output), output, activation, bits),
    )


def _room_for_bias(weight: Weight, bias: Array, input_scale: float) -> Weight:
    """Widens the scales of channels whose bias would not fit int32 (weights almost zero)."""
    needed = np.abs(bias) / (input_scale * 2.0**30)
    scale = np.broadcast_to(weight.scale, needed.shape)
    if (scale >= needed).all() or not isinstance(weight.format, Int) or weight.zero_point:
        return weight
    widened = np.maximum(scale, needed)
    ratio = (scale / widened).reshape((-1,) + (1,) * (weight.codes.ndim - 1))
    codes = weight.format.encode(weight.codes * ratio)
    return Weight(weight.name, codes, weight.format, widened, None)


def _accumulator_bits(
    weight: Weight, source: QuantParams, format: Int, bias: Array
) -> Literal[32, 64]:
    if format.bits > 8:
        return 64
    rows = np.abs(weight.integers().reshape(weight.codes.shape[0], -1)).sum(axis=1)
    offset = np.abs(bias) / (weight.scale * scalar_scale(source))
    return 32 if (rows * float(reach(source)) + offset < 2.0**31 - 1).all() else 64


def lower_conv(
    build: Builder, node: Node[FloatOp], target: str, activation: FusedActivation
) -> str | None:
    """Conv and ConvTranspose → QConv2d, QConvTranspose2d; 1-D runs as a row of pixels."""
    op = node.op
    assert isinstance(op, ops.Conv | ops.ConvTranspose)
    layer = integer_layer(build, node, target, activation)
    if isinstance(layer, str):
        return layer
    source = node.inputs[0].name
    zero_point = scalar_zero_point(build.params[source])
    x = as_image(build, build.codes(source, Layout.LAST), source)
    lowered: int_ops.QConv2d | int_ops.QConvTranspose2d
    if isinstance(op, ops.Conv):
        lowered = int_ops.QConv2d(
            stride=image_pair(op.stride),
            padding=image_pads(op.padding),
            dilation=image_pair(op.dilation),
            groups=op.groups,
            input_zero_point=zero_point,
            weight_zero_point=layer.weight_zero_point,
            requant=layer.requant,
        )
    else:
        lowered = int_ops.QConvTranspose2d(
            stride=image_pair(op.stride),
            padding=image_pads(op.padding),
            output_padding=image_pair(op.output_padding, 0),
            dilation=image_pair(op.dilation),
            groups=op.groups,
            input_zero_point=zero_point,
            weight_zero_point=layer.weight_zero_point,
            requant=layer.requant,
        )
    emit_image(build, lowered, (x, layer.weight, layer.bias), target)
    return None


def image_pair(values: tuple[int, ...], fill: int = 1) -> tuple[int, int]:
    """(height, width) of an attribute that has one entry for each space axis."""
    return (fill, values[0]) if len(values) == 1 else (values[0], values[1])


def image_pads(pads: ops.Pads) -> ops.Pads:
    """((top, bottom), (left, right)) of pads for each space axis."""
    return ((0, 0), pads[0]) if len(pads) == 1 else pads


def as_image(build: Builder, x: Value, name: str) -> Value:
    """(N, L, C) as (N, 1, L, C); (N, H, W, C) unchanged."""
    if len(x.shape) == 4:
        return x
    shape = (x.shape[0], 1, *x.shape[1:])
    image = build.temporary(f"{name}.image", shape, x)
    return build.emit(ops.Reshape(shape), (x,), image)


def emit_image(build: Builder, op: int_ops.IntOp, inputs: tuple[Value, ...], target: str) -> None:
    """Appends an operation on images whose result is graph value `target`, channels last."""
    output = build.codes_output(target, Layout.LAST)
    if len(output.shape) == 4:
        build.emit(op, inputs, output)
        return
    shape = (output.shape[0], 1, *output.shape[1:])
    image = build.emit(op, inputs, build.temporary(f"{target}.image", shape, output))
    build.emit(ops.Reshape(output.shape), (image,), output)


def lower_linear(
    build: Builder, node: Node[FloatOp], target: str, activation: FusedActivation
) -> str | None:
    """Linear → QLinear."""
    layer = integer_layer(build, node, target, activation)
    if isinstance(layer, str):
        return layer
    source = node.inputs[0].name
    x = build.codes(source, Layout.PLAIN)
    zero_point = scalar_zero_point(build.params[source])
    op = int_ops.QLinear(zero_point, layer.weight_zero_point, layer.requant)
    output = build.codes_output(target, Layout.PLAIN)
    build.emit(op, (x, layer.weight, layer.bias), output)
    return None


def lower_matmul(
    build: Builder, node: Node[FloatOp], target: str, activation: FusedActivation
) -> str | None:
    """MatMul of two activations → QMatMul."""
    params = [build.params.get(value.name) for value in node.inputs]
    output = build.params.get(target)
    formats = [integer_format(p) for p in params]
    a, b = params
    if a is None or b is None or None in formats:
        return "an input is float"
    if output is None or integer_format(output) is None:
        return "its output is float"
    bits = product_bits(node.inputs[0].shape[-1] * reach(a) * reach(b))
    multiplier = scalar_scale(a) * scalar_scale(b) / scalar_scale(output)
    op = int_ops.QMatMul(
        scalar_zero_point(a), scalar_zero_point(b), requant(multiplier, output, activation, bits)
    )
    inputs = tuple(build.codes(value.name, Layout.PLAIN) for value in node.inputs)
    build.emit(op, inputs, build.codes_output(target, Layout.PLAIN))
    return None


def lower_embedding(build: Builder, node: Node[FloatOp], target: str) -> str | None:
    """Embedding → QEmbedding: each row is requantized to the output's scale."""
    output = build.params.get(target)
    if output is None or integer_format(output) is None:
        return "its output is float"
    name = node.inputs[1].name
    weight = kernel_weight(name, build.weights.get(name), node.op)
    if isinstance(weight, str):
        return weight
    table = build.constant(name, weight.codes, weight.format, weight.params())
    op = int_ops.QEmbedding(weight.zero_point, requant(weight.scale / scalar_scale(output), output))
    indices = build.real(node.inputs[0].name)
    build.emit(op, (indices, table), build.codes_output(target, Layout.PLAIN))
    return None


def lower_dynamic(build: Builder, node: Node[FloatOp]) -> str | None:
    """Conv and Linear with a dynamic input → DynamicConv2d, DynamicLinear; real in and out."""
    dynamic = build.dynamic[node.inputs[0].name]
    name = node.inputs[1].name
    weight = kernel_weight(name, build.weights.get(name), node.op)
    if isinstance(weight, str):
        return weight
    if weight.zero_point is not None:
        return "its weights are asymmetric"
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
