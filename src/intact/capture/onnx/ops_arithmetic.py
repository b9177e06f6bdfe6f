"""Arithmetic and activations of an ONNX file as float ops."""

from collections.abc import Callable

import numpy as np

from intact.capture.onnx.builder import Builder
from intact.capture.onnx.node import OnnxNode
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Value
from intact.numerics.arrays import Array

Translate = Callable[[OnnxNode, Builder], None]


def binary(op: ops.Add | ops.Sub | ops.Mul) -> Translate:
    """Add, Sub and Mul; a constant factor or term stands second."""

    def translate(node: OnnxNode, net: Builder) -> None:
        a, b = _operands(node, net)
        if not isinstance(op, ops.Sub) and a.name in net.constants:
            a, b = b, a
        net.emit(node, op, a, b)

    return translate


def _operands(node: OnnxNode, net: Builder) -> tuple[Value, Value]:
    """Both inputs; constants of (batch, ...) stay small if broadcasting gives the same shape."""
    small = net.operand(node, 0), net.operand(node, 1)
    shapes = [(1,) * (max(len(v.shape) for v in small) - len(v.shape)) + v.shape for v in small]
    merged = tuple(b if a == 1 else a for a, b in zip(*shapes, strict=True))
    if merged == net.facts.shape(node.output):
        return small
    return net.value(node, 0), net.value(node, 1)


def div(node: OnnxNode, net: Builder) -> None:
    """X / constant as x * (1 / constant)."""
    divisor = net.facts.static(node.inputs[1])
    if divisor is None:
        raise node.unsupported(
            "divides by a value that the network computes",
            "intact has no division; keep this part of the network outside",
        )
    with np.errstate(all="ignore"):
        _times(node, net, 1 / divisor.astype(np.float64))


def neg(node: OnnxNode, net: Builder) -> None:
    """-x as x * -1."""
    _times(node, net, np.asarray(-1.0))


def _times(node: OnnxNode, net: Builder, factor: Array) -> None:
    constant = net.constant(f"{node.name}.factor", factor.astype(np.float32))
    net.emit(node, ops.Mul(), net.value(node), constant)


def power(node: OnnxNode, net: Builder) -> None:
    """X ** 2 as x * x."""
    if net.facts.scalar(node.inputs[1]) != 2:
        raise node.unsupported(
            "is a power other than the square", "Only x ** 2 has an equivalent in intact"
        )
    x = net.value(node)
    net.emit(node, ops.Mul(), x, x)


def total(node: OnnxNode, net: Builder) -> None:
    """Sum of any number of values, left to right."""
    if len(node.inputs) < 2:
        net.alias(node, net.value(node))
        return
    result = net.value(node)
    for index in range(1, len(node.inputs) - 1):
        term = net.value(node, index)
        shape = _broadcast(node, result, term)
        result = net.step(f"{node.name}.{index}", ops.Add(), [result, term], shape)
    net.emit(node, ops.Add(), result, net.value(node, len(node.inputs) - 1))


def _broadcast(node: OnnxNode, a: Value, b: Value) -> tuple[int, ...]:
    if len(a.shape) != len(b.shape):
        raise node.unsupported("adds tensors of different ranks", "Use Add nodes instead")
    return tuple(y if x == 1 else x for x, y in zip(a.shape, b.shape, strict=True))


def clip(node: OnnxNode, net: Builder) -> None:
    """Clip with constant bounds, in attributes before opset 11."""
    if node.opset < 11:
        low, high = (
            node.number(name, 0.0) if name in node.attributes else None for name in ("min", "max")
        )
    else:
        low, high = (_bound(node, net, index) for index in (1, 2))
    _clamp(node, net, low, high)


def _bound(node: OnnxNode, net: Builder, index: int) -> float | None:
    if not node.input(index):
        return None
    array = net.parameter(node, index)
    if array.size != 1:
        raise node.malformed("has a bound that is no single number")
    return float(np.asarray(array, np.float64).reshape(()))


def _clamp(node: OnnxNode, net: Builder, low: float | None, high: float | None) -> None:
    limit = float(np.finfo(np.float32).max)
    low = None if low is None or low <= -limit else low
    high = None if high is None or high >= limit else high
    if low is None and high is None:
        net.alias(node, net.value(node))
        return
    op = ops.Relu() if low == 0 and high is None else ops.Clamp(low, high)
    net.emit(node, op, net.value(node))


def extremum(*, largest: bool) -> Translate:
    """Max or Min of a value and a number."""

    def translate(node: OnnxNode, net: Builder) -> None:
        bounds = [net.facts.scalar(name) for name in node.inputs]
        numbers = [bound for bound in bounds if bound is not None]
        if len(node.inputs) != 2 or len(numbers) != 1:
            raise node.unsupported(
                "compares values that the network computes",
                "intact has Max and Min with one number only",
            )
        value = OnnxNode(
            node.name, node.op_type, (node.inputs[bounds.index(None)],), node.outputs, node.opset
        )
        if net.facts.shape(value.inputs[0]) != net.facts.shape(node.output):
            raise node.unsupported("adds axes", "Reshape before it")
        low, high = (numbers[0], None) if largest else (None, numbers[0])
        _clamp(value, net, low, high)

    return translate


def unary(op: FloatOp) -> Translate:
    """An operation without attributes."""

    def translate(node: OnnxNode, net: Builder) -> None:
        net.emit(node, op, net.value(node))

    return translate


def leaky_relu(node: OnnxNode, net: Builder) -> None:
    """LeakyRelu."""
    net.emit(node, ops.LeakyRelu(node.number("alpha", 0.01)), net.value(node))


def prelu(node: OnnxNode, net: Builder) -> None:
    """PRelu with one slope, or one for each channel."""
    x, slope = net.value(node), net.parameter(node, 1)
    full = (1,) * (len(x.shape) - slope.ndim) + slope.shape
    if slope.size != 1 and (slope.size != full[1] or len(full) != len(x.shape)):
        raise node.unsupported(
            f"has slopes of shape {slope.shape}", "Use one slope, or one for each channel"
        )
    source = net.facts.known[node.inputs[1]].source
    net.emit(node, ops.Prelu(), x, net.constant(source, slope.reshape(-1)))


def hard_sigmoid(node: OnnxNode, net: Builder) -> None:
    """clamp(alpha * x + beta, 0, 1): `HardSigmoid` for 1/6 and 1/2, else spelled out."""
    x = net.value(node)
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        net.emit(node, ops.HardSigmoid(), x)
        return
    slope = net.constant(f"{node.name}.alpha", np.asarray(alpha, np.float32))
    shift = net.constant(f"{node.name}.beta", np.asarray(beta, np.float32))
    scaled = net.step(f"{node.name}.mul", ops.Mul(), [x, slope], x.shape)
    shifted = net.step(f"{node.name}.add", ops.Add(), [scaled, shift], x.shape)
    net.emit(node, ops.Clamp(0.0, 1.0), shifted)


def swish(node: OnnxNode, net: Builder) -> None:
    """X * sigmoid(alpha * x)."""
    x = net.value(node)
    alpha = node.number("alpha", 1.0)
    if alpha == 1:
        net.emit(node, ops.Silu(), x)
        return
    number = net.constant(f"{node.name}.alpha", np.asarray(alpha, np.float32))
    scaled = net.step(f"{node.name}.mul", ops.Mul(), [x, number], x.shape)
    gate = net.step(f"{node.name}.sigmoid", ops.Sigmoid(), [scaled], x.shape)
    net.emit(node, ops.Mul(), x, gate)


def gelu(node: OnnxNode, net: Builder) -> None:
    """Gelu, exact or by tanh."""
    mode = node.text("approximate", "none")
    if mode not in ("none", "tanh"):
        raise node.malformed(f"attribute approximate is {mode}")
    net.emit(node, ops.Gelu(tanh=mode == "tanh"), net.value(node))


def softmax(node: OnnxNode, net: Builder) -> None:
    """Softmax along one axis; before opset 13 over all axes from `axis` on, as if flattened."""
    x = net.value(node)
    rank = len(x.shape)
    axis = node.integer("axis", 1 if node.opset < 13 else -1)
    if not -rank <= axis < rank:
        raise node.malformed(f"has axis {axis} of a value of rank {rank}")
    axis %= rank
    tail = x.shape[axis:] if node.opset < 13 else x.shape[axis : axis + 1]
    if min(tail) < 1:
        raise node.unsupported("mixes the samples of the batch", "Use a later axis")
    if all(dim == 1 for dim in tail[1:]):
        net.emit(node, ops.Softmax(axis), x)
        return
    flat = (*x.shape[:axis], int(np.prod(tail)))
    joined = net.step(f"{node.name}.flatten", ops.Reshape(flat), [x], flat)
    normal = net.step(f"{node.name}.softmax", ops.Softmax(axis), [joined], flat)
    net.emit(node, ops.Reshape(x.shape), normal)
