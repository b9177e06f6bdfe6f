"""The one table from operations to the functions that write their calls."""

from collections.abc import Callable, Mapping

from intact.emit.c import elementwise, layers, movement, normalization, pooling
from intact.emit.c.site import Site
from intact.ir import float_ops, int_ops
from intact.ir.canonical import canonical

# (op, site) → statements.
_CALLS: Mapping[type, Callable[..., list[str]]] = {
    int_ops.Requantize: elementwise.requantize,
    int_ops.QConv2d: layers.conv2d,
    int_ops.QConvTranspose2d: layers.conv_transpose2d,
    int_ops.QLinear: layers.linear,
    int_ops.QMatMul: layers.matmul,
    int_ops.QEmbedding: layers.embedding,
    int_ops.QAdd: elementwise.sum_,
    int_ops.QSub: elementwise.sum_,
    int_ops.QMul: elementwise.mul,
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
    float_ops.ResizeNearest: pooling.resize_nearest,
    float_ops.Permute: movement.permute,
    float_ops.Slice: movement.slice_,
    float_ops.Expand: movement.expand,
    float_ops.Pad: movement.pad,
    float_ops.Concat: movement.concat,
    float_ops.Reshape: movement.copy,
    float_ops.Dropout: movement.copy,
}


def call(site: Site) -> list[str]:
    """The statements of the node.

    Raises:
        UnsupportedOpError: if it has no form in C.
    """
    make = _CALLS.get(type(site.node.op))
    if make is None:
        raise site.refusal("the portable kernels do not have it; quantize this layer")
    return make(canonical(site.node), site)
