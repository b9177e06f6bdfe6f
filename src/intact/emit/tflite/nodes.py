"""One operator, or a few, for each node of a Program."""

from intact.emit.tflite.elementwise import emit_mul, emit_requantize, emit_sum
from intact.emit.tflite.float_nodes import computes_in_float, emit_float_node
from intact.emit.tflite.float_ops import emit_quantize
from intact.emit.tflite.layers import (
    emit_conv,
    emit_embedding,
    emit_linear,
    emit_matmul,
)
from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.movement import (
    emit_concat,
    emit_expand,
    emit_padding,
    emit_permute,
    emit_slice,
)
from intact.emit.tflite.pooling import emit_adaptive, emit_avg_pool, emit_max_pool
from intact.emit.tflite.prelu import emit_prelu
from intact.emit.tflite.reals import emit_dequantize
from intact.emit.tflite.spatial import emit_bilinear, emit_mean, emit_nearest
from intact.emit.tflite.tables import emit_interpolated, emit_lookup, emit_softmax
from intact.emit.tflite.transposed import emit_conv_transpose
from intact.emit.tflite.values import check_one_width, unsupported
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp

# What reads and writes codes of one type in TFLite.
_OF_ONE_WIDTH = (
    int_ops.QConv2d,
    int_ops.QConvTranspose2d,
    int_ops.QLinear,
    int_ops.QMatMul,
    int_ops.QAdd,
    int_ops.QSub,
    int_ops.QMul,
    int_ops.QPrelu,
    int_ops.QSoftmax,
    int_ops.QSoftmax16,
    int_ops.QMean,
)


def emit_node(ledger: Ledger, node: Node[IntOp]) -> None:
    """Appends the node's operators.

    Raises:
        UnsupportedOpError: if TFLite has none with the same codes.
    """
    if isinstance(node.op, _OF_ONE_WIDTH):
        check_one_width(node, ledger.program.constants)
    families = (_emit_layer, _emit_elementwise, _emit_spatial, _emit_movement)
    if computes_in_float(node) and emit_float_node(ledger, node):
        return
    if not any(emit(ledger, node) for emit in families):
        raise unsupported(
            node,
            "TFLite has no such operation",
            "Keep its layer float by a rule that matches it alone, or export to .onnx or C.",
        )


def _emit_layer(ledger: Ledger, node: Node[IntOp]) -> bool:
    op = node.op
    match op:
        case int_ops.QConv2d():
            emit_conv(ledger, node, op)
        case int_ops.QConvTranspose2d():
            emit_conv_transpose(ledger, node, op)
        case int_ops.QLinear():
            emit_linear(ledger, node, op)
        case int_ops.QMatMul():
            emit_matmul(ledger, node, op)
        case int_ops.QEmbedding():
            emit_embedding(ledger, node, op)
        case int_ops.Quantize():
            emit_quantize(ledger, node)
        case int_ops.Dequantize():
            emit_dequantize(ledger, node)
        case _:
            return False
    return True


def _emit_elementwise(ledger: Ledger, node: Node[IntOp]) -> bool:
    op = node.op
    match op:
        case int_ops.QAdd() | int_ops.QSub():
            emit_sum(ledger, node, op)
        case int_ops.QMul():
            emit_mul(ledger, node, op)
        case int_ops.Requantize():
            emit_requantize(ledger, node, op)
        case int_ops.QPrelu():
            emit_prelu(ledger, node, op)
        case int_ops.Lookup():
            emit_lookup(ledger, node, op)
        case int_ops.InterpolatedLookup():
            emit_interpolated(ledger, node, op)
        case int_ops.QSoftmax() | int_ops.QSoftmax16():
            emit_softmax(ledger, node, op)
        case _:
            return False
    return True


def _emit_spatial(ledger: Ledger, node: Node[IntOp]) -> bool:
    op = node.op
    match op:
        case int_ops.QMaxPool2d():
            emit_max_pool(ledger, node, op)
        case int_ops.QAvgPool2d():
            emit_avg_pool(ledger, node, op)
        case int_ops.QAdaptiveAvgPool2d():
            emit_adaptive(ledger, node, op)
        case int_ops.QMean():
            emit_mean(ledger, node, op)
        case int_ops.QResizeNearest2d():
            emit_nearest(ledger, node, op)
        case int_ops.QResizeBilinear2d():
            emit_bilinear(ledger, node, op)
        case _:
            return False
    return True


def _emit_movement(ledger: Ledger, node: Node[IntOp]) -> bool:
    op = node.op
    match op:
        case ops.Reshape():
            ledger.share(node.output, node.inputs[0])
        case ops.Permute():
            emit_permute(ledger, node, op)
        case ops.Slice():
            emit_slice(ledger, node, op)
        case ops.Expand():
            emit_expand(ledger, node)
        case ops.Concat():
            emit_concat(ledger, node, op)
        case ops.Pad():
            emit_padding(ledger, node, op)
        case _:
            return False
    return True
