"""Normalization of real numbers, operator by operator."""

import math
from collections.abc import Sequence

import numpy as np

from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.schema import BuiltinOperator, Options, TensorType
from intact.emit.tflite.values import BATCH
from intact.ir import float_ops as ops
from intact.ir.graph import Node, Shape, Value, with_batch
from intact.ir.int_ops import IntOp


def emit_float_norm(ledger: Ledger, node: Node[IntOp], op: ops.LayerNorm | ops.GroupNorm) -> None:
    """(x - mean) / sqrt(variance + eps) * gamma + beta."""
    x, gamma, beta = node.inputs
    if isinstance(op, ops.LayerNorm):
        rank = len(x.shape)
        rows, axes, tail = x.shape, range(rank - op.axes, rank), gamma.shape
    else:
        # Each group of channels is a row; gamma and beta belong to channels, axis 1.
        size = math.prod(x.shape[1:]) // op.groups
        rows, axes = (x.shape[0], op.groups, size), range(2, 3)
        tail = (x.shape[1], *(1,) * (len(x.shape) - 2))
    normal = _standardized(ledger, node, rows, axes, op.eps)
    if rows != x.shape:
        target = ledger.temporary(f"{node.name}/normal", with_batch(x.shape, BATCH), x)
        normal = ledger.reshape(normal, target, x.shape)
    factor, offset = (_parameter(ledger, value, tail) for value in (gamma, beta))
    options = Options("AddOptions")
    scaled = _step(ledger, node, BuiltinOperator.MUL, [normal, factor], x.shape, "MulOptions")
    ledger.emit(BuiltinOperator.ADD, [scaled, offset], ledger.write(node.output), options)


def _standardized(
    ledger: Ledger, node: Node[IntOp], rows: Shape, axes: Sequence[int], eps: float
) -> int:
    """(x - mean) / sqrt(variance + eps) over some axes of x, stored as `rows`."""
    reduced = tuple(1 if axis in axes else n for axis, n in enumerate(rows))
    over = ledger.integers(list(axes), f"{node.name}/axes")
    epsilon = np.asarray(eps, np.float32)
    least = ledger.constant(f"{node.name}/epsilon", epsilon, TensorType.FLOAT32)

    def step(code: int, inputs: Sequence[int], shape: Shape, options: str | None) -> int:
        return _step(ledger, node, code, inputs, shape, options)

    def mean(source: int) -> int:
        target = ledger.temporary(f"{node.name}/mean", with_batch(reduced, BATCH), node.output)
        options = Options("ReducerOptions", {"KeepDims": True})
        return ledger.emit(BuiltinOperator.MEAN, [source, over], target, options)

    source = ledger.read_as(node.inputs[0], rows)
    centred = step(BuiltinOperator.SUB, [source, mean(source)], rows, "SubOptions")
    squares = step(BuiltinOperator.MUL, [centred, centred], rows, "MulOptions")
    positive = step(BuiltinOperator.ADD, [mean(squares), least], reduced, "AddOptions")
    inverse = step(BuiltinOperator.RSQRT, [positive], reduced, None)
    return step(BuiltinOperator.MUL, [centred, inverse], rows, "MulOptions")


def _step(
    ledger: Ledger,
    node: Node[IntOp],
    code: int,
    inputs: Sequence[int],
    shape: Shape,
    options: str | None,
) -> int:
    """An operator whose result the node keeps to itself."""
    target = ledger.temporary(f"{node.name}/step", with_batch(shape, BATCH), node.output)
    return ledger.emit(code, inputs, target, None if options is None else Options(options))


def _parameter(ledger: Ledger, value: Value, shape: Shape) -> int:
    array = ledger.program.constants[value.name].reshape(shape)
    return ledger.constant(value.name, array, TensorType.FLOAT32)
