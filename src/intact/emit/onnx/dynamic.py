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
from intact.numerics.arrays import Array
from intact.numerics.formats import Int, integer_grid


def emit_dynamic_linear(ledger: Ledger, node: Node[IntOp], op: q.DynamicLinear) -> None:
    """One scale for each row."""
    scope = ledger.scope(node, real=False)
    x = arranged(ledger.writer, ledger.view(node.inputs[0]))
    codes, scale = _row_codes(scope, x, (len(x.shape) - 1,), op.activation)
    weight = linear_weight(_weight(ledger, node))
    turned = arranged(ledger.writer, weight.permuted((1, 0)))
    product = scope.step("MatMul", [codes, turned.tensor])
    bias = ledger.program.constants[node.inputs[3].name]
    ledger.keep(node.output, plain(_scaled(scope, product, scale, bias), node.output.shape))


def emit_dynamic_conv(ledger: Ledger, node: Node[IntOp], op: q.DynamicConv2d) -> None:
    """One scale for each sample."""
    scope = ledger.scope(node, real=False)
    x = arranged(ledger.writer, ledger.view(node.inputs[0]).permuted(channels_first(4)))
    codes, scale = _row_codes(scope, x, (1, 2, 3), op.activation)
    weight = arranged(ledger.writer, conv_weight(_weight(ledger, node)))
    product = scope.step(
        "Conv",
        [codes, weight.tensor],
        kernel_shape=weight.shape[2:],
        strides=op.stride,
        pads=pads_attribute(op.padding),
        dilations=op.dilation,
        group=op.groups,
    )
    bias = ledger.program.constants[node.inputs[3].name].reshape(-1, 1, 1)
    shape = tuple(node.output.shape[axis] for axis in channels_first(4))
    view = plain(_scaled(scope, product, scale, bias), shape)
    ledger.keep(node.output, view.permuted(channels_last(4)))


def _weight(ledger: Ledger, node: Node[IntOp]) -> Weight:
    """The weight with the scales that the node reads."""
    value, scale = node.inputs[1:3]
    grid = integer_grid(value.dtype)
    assert grid is not None
    codes = ledger.program.constants[value.name]
    per_value = ledger.program.constants[scale.name].astype(np.float64) / grid[1]
    return Weight(value.name, codes, value.dtype, per_value, None)


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


def _scaled(scope: Scope, product: str, scale: str, bias: Array) -> str:
    if not bias.any():
        return scope.last("Mul", [product, scale])
    scaled = scope.step("Mul", [product, scale])
    return scope.last("Add", [scaled, scope.writer.constant(bias, f"{scope.name}.bias")])
