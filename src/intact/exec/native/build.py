"""The one table from operations to the functions that build their native form."""

from collections.abc import Callable, Mapping
from typing import get_args

from intact.errors import UnsupportedOpError
from intact.exec.native import (
    convert,
    elementwise,
    float_convolution,
    float_elements,
    float_linear,
    float_pooling,
    layers,
    movement,
    normalization,
    pooling,
)
from intact.exec.native.building import Built, Constants, built
from intact.exec.native.library import native
from intact.exec.native.loop import loop
from intact.ir import float_ops, int_ops
from intact.ir.canonical import canonical
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.ir.scans import Loop


def _copy(
    op: float_ops.Reshape | float_ops.Dropout, node: Node[IntOp], constants: Constants
) -> Built:
    del op, constants
    return built(native.copy(), node)


def _loop(op: Loop, node: Node[IntOp], constants: Constants) -> Built:
    return loop(op, node, constants, build)


# (op, node, constants) → the native operation.
_BUILDERS: Mapping[type, Callable[..., Built]] = {
    int_ops.QAdd: elementwise.sum_,
    int_ops.QSub: elementwise.sum_,
    int_ops.QMul: elementwise.mul,
    int_ops.Quantize: convert.quantize,
    int_ops.Dequantize: convert.dequantize,
    int_ops.Requantize: convert.requantize,
    int_ops.QConv2d: layers.conv2d,
    int_ops.QConvTranspose2d: layers.conv_transpose2d,
    int_ops.QLinear: layers.linear,
    int_ops.QMatMul: layers.matmul,
    int_ops.QEmbedding: layers.embedding,
    int_ops.DynamicConv2d: layers.dynamic_conv2d,
    int_ops.DynamicLinear: layers.dynamic_linear,
    int_ops.Lookup: elementwise.lookup,
    int_ops.InterpolatedLookup: elementwise.interpolated_lookup,
    int_ops.QPrelu: elementwise.prelu,
    int_ops.QSoftmax: normalization.softmax,
    int_ops.QSoftmax16: normalization.softmax16,
    int_ops.QLayerNorm: normalization.layer_norm,
    int_ops.QGroupNorm: normalization.group_norm,
    int_ops.QMaxPool2d: pooling.max_pool2d,
    int_ops.QAvgPool2d: pooling.avg_pool2d,
    int_ops.QAdaptiveAvgPool2d: pooling.adaptive_avg_pool2d,
    int_ops.QMean: pooling.mean,
    int_ops.QResizeNearest2d: pooling.resize_nearest2d,
    int_ops.QResizeBilinear2d: pooling.resize_bilinear2d,
    float_ops.Conv: float_convolution.conv,
    float_ops.ConvTranspose: float_convolution.conv_transpose,
    float_ops.Linear: float_linear.linear,
    float_ops.MatMul: float_linear.matmul,
    float_ops.Embedding: float_linear.embedding,
    float_ops.BatchNorm: float_elements.batch_norm,
    float_ops.LayerNorm: float_elements.layer_norm,
    float_ops.GroupNorm: float_elements.group_norm,
    float_ops.Softmax: float_elements.softmax,
    float_ops.Add: float_elements.add,
    float_ops.Sub: float_elements.sub,
    float_ops.Mul: float_elements.mul,
    float_ops.ChannelClamp: float_elements.channel_clamp,
    float_ops.Prelu: float_elements.prelu,
    float_ops.MaxPool: float_pooling.max_pool,
    float_ops.AvgPool: float_pooling.avg_pool,
    float_ops.AdaptiveAvgPool: float_pooling.adaptive_avg_pool,
    float_ops.Mean: float_pooling.mean,
    float_ops.ResizeBilinear: float_pooling.resize_bilinear,
    float_ops.ResizeNearest: pooling.resize_nearest,
    float_ops.Permute: movement.permute,
    float_ops.Slice: movement.slice_,
    float_ops.Expand: movement.expand,
    float_ops.Pad: movement.pad,
    float_ops.Concat: movement.concat,
    float_ops.Reshape: _copy,
    float_ops.Scan: _loop,
    int_ops.QScan: _loop,
    float_ops.Dropout: _copy,
    **dict.fromkeys(get_args(float_ops.Activation), float_elements.activation),
}


def build(node: Node[IntOp], constants: Constants) -> Built:
    """The node's native operation.

    Raises:
        UnsupportedOpError: if there is none.
    """
    try:
        builder = _BUILDERS[type(node.op)]
    except KeyError:
        raise UnsupportedOpError(
            f'{type(node.op).__name__} at "{node.name}" has no native form;'
            ' use executor="reference"'
        ) from None
    return builder(canonical(node), node, constants)
