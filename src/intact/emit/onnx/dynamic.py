"""Layers that quantize their input at run time, in real numbers that hold whole codes."""

import numpy as np

from intact.emit.onnx.layout import View, arranged, channels_first, channels_last, plain
from intact.emit.onnx.ledger import Ledger
from intact.emit.onnx.scope import Scope
from intact.emit.onnx.spatial import pads_attribute
from intact.emit.onnx.weights import Weight, conv_weight, linear_weight
from intact.ir import int_ops as q
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.formats import Int
from intact.numerics.integers import integer_unit


def emit_dynamic_linear(ledger: Ledger, node: Node[IntOp], op: q.DynamicLinear) -> None:
    """One scale for each row."""
    scope = ledger.scope(node, real=False)
    x = arranged(ledger.writer, ledger.settled(node.inputs[0]))
    codes, scale = _row_codes(scope, x, (len(x.shape) - 1,), op.activation)
    turned = arranged(ledger.writer, linear_weight(_integers(ledger, node)).permuted((1, 0)))
    product = scope.step("MatMul", [codes, turned.tensor])
    tensor = _scaled(ledger, node, scope, product, scale, (-1,))
    ledger.keep(node.output, plain(tensor, node.output.shape))


def emit_dynamic_conv(ledger: Ledger, node: Node[IntOp], op: q.DynamicConv2d) -> None:
    """One scale for each sample."""
    scope = ledger.scope(node, real=False)
    x = arranged(ledger.writer, ledger.settled(node.inputs[0]).permuted(channels_first(4)))
    codes, scale = _row_codes(scope, x, (1, 2, 3), op.activation)
    weight = arranged(ledger.writer, conv_weight(_integers(ledger, node)))
    product = scope.step(
        "Conv",
        [codes, weight.tensor],
        kernel_shape=weight.shape[2:],
        strides=op.stride,
        pads=pads_attribute(op.padding),
        dilations=op.dilation,
        group=op.groups,
    )
    shape = tuple(node.output.shape[axis] for axis in channels_first(4))
    view = plain(_scaled(ledger, node, scope, product, scale, (-1, 1, 1)), shape)
    ledger.keep(node.output, view.permuted(channels_last(4)))


def _integers(ledger: Ledger, node: Node[IntOp]) -> Weight:
    """The weight as the integers of the accumulator: sums of them are exact up to 2**24."""
    value = node.inputs[1]
    codes = ledger.program.constants[value.name]
    return Weight(value.name, codes, value.dtype, np.array([1 / integer_unit(value.dtype)]), None)


def _row_codes(scope: Scope, x: View, axes: tuple[int, ...], format: Int) -> tuple[str, str]:
    """round(x / scale) and scale = max|x| / qmax over `axes`."""
    largest = scope.step(
        "ReduceMax", [scope.step("Abs", [x.tensor]), scope.integers(axes, "axes")], keepdims=1
    )
    qmax = scope.constant(np.asarray(format.qmax, np.float32), "qmax")
    # A row of zeros gets any positive scale, so that its codes are 0.
    tiny = scope.constant(np.asarray(np.finfo(np.float32).tiny), "tiny")
    scale = scope.step("Max", [scope.step("Div", [largest, qmax]), tiny])
    return scope.step("Round", [scope.step("Div", [x.tensor, scale])]), scale


def _scaled(
    ledger: Ledger,
    node: Node[IntOp],
    scope: Scope,
    product: str,
    scale: str,
    channels: tuple[int, ...],
) -> str:
    """Product * (scale * weight scale) + bias; parameters (O,) as the shape `channels`."""
    weight_scale, bias = (
        ledger.writer.constant(ledger.program.constants[v.name].reshape(channels), v.name)
        for v in node.inputs[2:]
    )
    unit = scope.step("Mul", [scale, weight_scale])
    return scope.last("Add", [scope.step("Mul", [product, unit]), bias])
