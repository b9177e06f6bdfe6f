"""Convolution, linear layers, matrix products and embeddings (arithmetic.md, section 3)."""

import numpy as np

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.attributes import ACCUMULATOR_MAX
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node
from intact.lower.builder import Builder, Layout
from intact.lower.images import as_image, emit_image, image_pads, image_pair
from intact.lower.params import all_params
from intact.lower.requant import FusedActivation, integer_format, product_bits, reach, requant
from intact.lower.weights import integer_layer, kernel_weight
from intact.numerics.qtensor import scalar_scale, scalar_zero_point


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
            weight_shift=layer.weight_shift,
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
            weight_shift=layer.weight_shift,
        )
    emit_image(build, lowered, (x, layer.weight, layer.bias), target)
    return None


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
    op = int_ops.QLinear(zero_point, layer.weight_zero_point, layer.requant, layer.weight_shift)
    output = build.codes_output(target, Layout.PLAIN)
    build.emit(op, (x, layer.weight, layer.bias), output)
    return None


def lower_matmul(
    build: Builder, node: Node[FloatOp], target: str, activation: FusedActivation
) -> str | None:
    """MatMul of two activations → QMatMul."""
    params = all_params(build, node, target)
    if isinstance(params, str):
        return params
    a, b, output = params
    depth = node.inputs[0].shape[-1]
    if depth < 0:
        return "it sums over the batch"
    largest = depth * reach(a) * reach(b)
    if largest > ACCUMULATOR_MAX[64]:
        return f"a sum of {depth} products overflows its accumulator"
    bits = product_bits(largest)
    # TFLite's BATCH_MATMUL rounds the product to float32, unlike its convolutions (eq. 20).
    product = np.float32(scalar_scale(a)) * np.float32(scalar_scale(b))
    multiplier = float(product) / scalar_scale(output)
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
