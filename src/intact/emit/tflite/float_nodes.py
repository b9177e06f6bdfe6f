"""Operators for the nodes of a Program that compute in real numbers."""

from intact.emit.tflite import float_layers as layers
from intact.emit.tflite import float_ops as reals
from intact.emit.tflite.float_norm import emit_float_norm
from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.transposed import emit_float_conv_transpose
from intact.emit.tflite.values import unsupported
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.formats import FP32


def computes_in_float(node: Node[IntOp]) -> bool:
    """Whether the node reads or writes real numbers; data movements of codes do not."""
    return isinstance(node.op, int_ops.DynamicConv2d | int_ops.DynamicLinear) or (
        node.output.dtype == FP32 and not isinstance(node.op, int_ops.Dequantize)
    )


def emit_float_node(ledger: Ledger, node: Node[IntOp]) -> bool:
    """Appends the node's operators; False if it moves numbers as codes are moved."""
    op = node.op
    match op:
        case int_ops.DynamicConv2d():
            layers.emit_dynamic_conv(ledger, node, op)
        case int_ops.DynamicLinear():
            layers.emit_dynamic_linear(ledger, node, op)
        case ops.Conv():
            layers.emit_float_conv(ledger, node, op)
        case ops.ConvTranspose():
            emit_float_conv_transpose(ledger, node, op)
        case ops.Linear():
            layers.emit_float_linear(ledger, node)
        case ops.MatMul():
            layers.emit_float_matmul(ledger, node)
        case ops.Embedding():
            layers.emit_float_embedding(ledger, node)
        case _:
            return _emit_simple(ledger, node)
    return True


def _emit_simple(ledger: Ledger, node: Node[IntOp]) -> bool:
    op = node.op
    match op:
        case (
            ops.MaxPool()
            | ops.AvgPool()
            | ops.AdaptiveAvgPool()
            | ops.ResizeNearest()
            | ops.ResizeBilinear()
        ):
            if len(node.output.shape) not in (3, 4):
                raise unsupported(node, "TFLite has images of two axes", "Export to .onnx.")
            reals.emit_float_image(ledger, node)
        case ops.Mean():
            reals.emit_float_mean(ledger, node, op)
        case ops.Add() | ops.Sub() | ops.Mul():
            reals.emit_float_binary(ledger, node)
        case ops.Concat():
            reals.emit_float_concat(ledger, node, op)
        case ops.Softmax():
            reals.emit_float_softmax(ledger, node, op)
        case ops.Pad():
            reals.emit_float_pad(ledger, node, op)
        case ops.LayerNorm() | ops.GroupNorm():
            emit_float_norm(ledger, node, op)
        case _:
            return _emit_activation(ledger, node)
    return True


def _emit_activation(ledger: Ledger, node: Node[IntOp]) -> bool:
    op = node.op
    match op:
        case ops.ChannelClamp():
            reals.emit_float_channel_clamp(ledger, node)
        case ops.Prelu():
            reals.emit_float_prelu(ledger, node)
        case (
            ops.Relu()
            | ops.Clamp()
            | ops.LeakyRelu()
            | ops.HardSigmoid()
            | ops.HardSwish()
            | ops.Sigmoid()
            | ops.Tanh()
            | ops.Silu()
            | ops.Gelu()
        ):
            reals.emit_float_activation(ledger, node, op)
        case _:
            return False
    return True
