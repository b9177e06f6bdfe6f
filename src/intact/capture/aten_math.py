"""Arithmetic, activations, dropout."""

from collections.abc import Callable
from typing import TypeAlias

import torch

from intact.capture.aten_linear import MASKED, mask_addend
from intact.capture.builder import Call, Constant, Operand, scalar
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Shape

Number: TypeAlias = float | int

# --- arithmetic ------------------------------------------------------------------------------


def _binary(c: Call, op: ops.Add | ops.Sub | ops.Mul, a: Operand, b: Operand) -> Operand:
    """A node of a and b, without an Expand that broadcasting makes superfluous."""
    c.need(c.dtype.is_floating_point, "Integers that depend on the input stay out of networks.")
    a, b = _unexpanded(c, a, b), _unexpanded(c, b, a)
    return c.emit(op, a, b)


def _unexpanded(c: Call, x: Operand, other: Operand) -> Operand:
    producer = c.producer(x)
    if producer is None or not isinstance(producer.op, ops.Expand):
        return x
    source = producer.inputs[0]
    return source if _covers(other.shape, c.shape, source.shape) else x


def _covers(shape: Shape, result: Shape, source: Shape) -> bool:
    """Whether source broadcast with shape still gives the result."""
    padded = (1,) * (len(result) - len(shape)) + shape
    narrow = (1,) * (len(result) - len(source)) + source
    return all(p == r or n == r for p, n, r in zip(padded, narrow, result, strict=True))


def _operand(x: Operand | Number) -> Operand:
    return scalar(x) if isinstance(x, int | float) else x


def add(c: Call, a: Operand, b: Operand | Number, alpha: Number = 1) -> Operand:
    """A + alpha * b; a constant stands second."""
    a, b = _operand(a), _scaled(c, _operand(b), alpha)
    if c.known(a) is not None:
        a, b = b, a
    known = c.known(b)
    return _binary(c, ops.Add(), a, b if known is None else mask_addend(known))


def sub(c: Call, a: Operand, b: Operand | Number, alpha: Number = 1) -> Operand:
    """A - alpha * b."""
    return _binary(c, ops.Sub(), _operand(a), _scaled(c, _operand(b), alpha))


def rsub(c: Call, a: Operand, b: Operand | Number, alpha: Number = 1) -> Operand:
    """B - alpha * a."""
    return sub(c, _operand(b), a, alpha)


def mul(c: Call, a: Operand, b: Operand | Number) -> Operand:
    """A * b; a constant stands second."""
    a, b = _operand(a), _operand(b)
    if c.known(a) is not None:
        a, b = b, a
    return _binary(c, ops.Mul(), a, b)


def _scaled(c: Call, x: Operand, factor: Number) -> Operand:
    if factor == 1:
        return x
    known = c.known(x)
    if known is not None:
        return Constant(known.tensor * factor)
    return c.emit(ops.Mul(), x, scalar(factor), shape=x.shape, function="mul")


def div(c: Call, a: Operand, b: Operand | Number, *, rounding_mode: str | None = None) -> Operand:
    """A / b for a constant b."""
    c.need(rounding_mode is None, "A division that rounds has no float form.")
    divisor = c.known(_operand(b))
    c.need(divisor is not None, "Only a constant may divide.")
    assert divisor is not None
    return mul(c, a, Constant(1 / divisor.tensor.to(torch.float64)))


def neg(c: Call, x: Operand) -> Operand:
    """-x."""
    return mul(c, x, -1.0)


def power(c: Call, x: Operand, exponent: Number = 2) -> Operand:
    """x**2."""
    c.need(exponent == 2, "Only the square is.")
    return c.emit(ops.Mul(), x, x)


def masked_fill(c: Call, x: Operand, mask: Operand, value: Operand | Number) -> Operand:
    """X where not mask, else value, for a constant mask: adds MASKED to what softmax shall drop."""
    allowed = c.known(mask)
    number = c.known(_operand(value))
    c.need(
        allowed is not None and number is not None,
        "Only a constant mask may choose; add a mask that is an input: 0 or -10000.",
    )
    assert allowed is not None
    assert number is not None
    chosen, filler = allowed.tensor.bool(), float(number.tensor)
    if filler <= MASKED:
        return c.emit(ops.Add(), x, Constant(chosen * MASKED, role="mask"))
    kept = c.emit(ops.Mul(), x, Constant((~chosen).float(), role="mask"))
    return kept if filler == 0 else c.emit(ops.Add(), kept, Constant(chosen * filler))


def where(c: Call, mask: Operand, a: Operand | Number, b: Operand | Number) -> Operand:
    """aten.where with a constant mask and a number on one side."""
    chosen = c.parameter(mask, "mask")
    if c.known(_operand(b)) is None:
        return masked_fill(c, _operand(b), chosen, a)
    return masked_fill(c, _operand(a), Constant(~chosen.tensor.bool()), b)


# --- activations -----------------------------------------------------------------------------


def pointwise(op: FloatOp) -> Callable[[Call, Operand], Operand]:
    """The translation of an activation without attributes."""

    def translate(c: Call, x: Operand) -> Operand:
        return c.emit(op, x)

    return translate


def clamp(c: Call, x: Operand, low: Number | None = None, high: Number | None = None) -> Operand:
    """aten.clamp with numbers."""
    if low == 0 and high is None:
        return c.emit(ops.Relu(), x)
    bounds = [None if bound is None else float(bound) for bound in (low, high)]
    return c.emit(ops.Clamp(*bounds), x)


def clamp_max(c: Call, x: Operand, high: Number) -> Operand:
    """min(x, high)."""
    return clamp(c, x, None, high)


def hardtanh(c: Call, x: Operand, low: Number = -1, high: Number = 1) -> Operand:
    """aten.hardtanh."""
    return clamp(c, x, low, high)


def relu6(c: Call, x: Operand) -> Operand:
    """aten.relu6."""
    return clamp(c, x, 0, 6)


def threshold(c: Call, x: Operand, low: Number, value: Number) -> Operand:
    """aten.threshold at 0."""
    c.need(low == value == 0, "Only threshold 0 with value 0 is.")
    return c.emit(ops.Relu(), x)


def leaky_relu(c: Call, x: Operand, slope: Number = 0.01) -> Operand:
    """aten.leaky_relu."""
    return c.emit(ops.LeakyRelu(float(slope)), x)


def prelu(c: Call, x: Operand, slope: Operand) -> Operand:
    """aten.prelu."""
    return c.emit(ops.Prelu(), x, c.parameter(slope, "slope"))


def gelu(c: Call, x: Operand, approximate: str = "none", **_: str) -> Operand:
    """aten.gelu."""
    return c.emit(ops.Gelu(tanh=approximate == "tanh"), x)


def glu(c: Call, x: Operand, axis: int = -1) -> Operand:
    """aten.glu: one half of the channels times the sigmoid of the other."""
    axis = c.axis(axis, x)
    size = x.shape[axis]
    value, gate = (c.slice(x, axis, i, i + size // 2) for i in (0, size // 2))
    opened = c.emit(ops.Sigmoid(), gate, function="sigmoid")
    return c.emit(ops.Mul(), value, opened)


def softmax(c: Call, x: Operand, axis: int, *_: object) -> Operand:
    """aten.softmax and aten._softmax."""
    return c.emit(ops.Softmax(c.axis(axis, x)), x)


def dropout(c: Call, x: Operand, p: float, *_: object) -> Operand:
    """aten.dropout and its variants by channel, whose difference shows in training alone."""
    return x if p == 0 else c.emit(ops.Dropout(float(p)), x)
