"""Softmax, layer norm and group norm (arithmetic.md, sections 7 and 8)."""

import math

import numpy as np

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node, Value
from intact.lower.builder import Builder, Layout, permuted, stored_axes
from intact.lower.params import all_params
from intact.lower.requant import saturating_multiplier
from intact.numerics.arrays import Array
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN, Requant
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams, scalar_scale, scalar_zero_point
from intact.numerics.special import round_half_away
from intact.numerics.tables import exp_table, reciprocal_table

SOFTMAX_INTEGER_BITS = 5  # differences from the maximum are Q5.26
LONGEST_SOFTMAX = 4095  # exponentials of 19 bits each
FRACTION = 8  # fractional bits of a normalization's last sum
NORMALIZED_FRACTION = 20  # fractional bits of (x - mean) / deviation


def lower_softmax(build: Builder, node: Node[FloatOp]) -> str | None:
    """Softmax → QSoftmax or QSoftmax16 over the last stored axis."""
    params = all_params(build, node, node.name)
    if isinstance(params, str):
        return params
    source = params[0]
    assert isinstance(node.op, ops.Softmax)
    if 8 < source.format.bits < 16 or source.format == Int(16, signed=False):
        return f"softmax has no integer form for {source.format}"
    if node.output.shape[node.op.axis] > LONGEST_SOFTMAX:
        return f"softmax over more than {LONGEST_SOFTMAX} codes overflows its 32-bit sum"
    scale = scalar_scale(source)
    op = softmax8(scale) if source.format.bits <= 8 else softmax16(scale)
    name = node.inputs[0].name
    rank = build.rank(name)
    layout = build.layout(name)
    axis = stored_axes(rank, layout).index(node.op.axis)
    x = build.codes(name, layout)
    output = build.codes_output(node.name, layout)
    if axis == rank - 1:
        build.emit(op, (x,), output)
        return None
    order = (*(i for i in range(rank) if i != axis), axis)
    moved = _permute(build, x, order, f"{name}.rows")
    rows = Value(build.unique(f"{node.name}.rows"), moved.shape, output.dtype, output.params)
    build.emit(op, (moved,), rows)
    build.emit(ops.Permute(tuple(int(i) for i in np.argsort(order))), (rows,), output)
    return None


def _permute(build: Builder, x: Value, axes: tuple[int, ...], name: str) -> Value:
    target = build.temporary(name, permuted(x.shape, axes), x)
    return build.emit(ops.Permute(axes), (x,), target)


def softmax8(scale: float) -> int_ops.QSoftmax:
    """Softmax of 8-bit codes with this scale."""
    multiplier, shift = saturating_multiplier(scale * 2.0 ** (31 - SOFTMAX_INTEGER_BITS))
    left = max(int(shift), 0)
    radius = (2**SOFTMAX_INTEGER_BITS - 1) * 2.0 ** (31 - SOFTMAX_INTEGER_BITS) / 2.0**left
    return int_ops.QSoftmax(int(multiplier), int(shift), -math.floor(radius))


def softmax16(scale: float) -> int_ops.QSoftmax16:
    """Softmax of 16-bit codes with this scale."""
    multiplier, shift = saturating_multiplier(scale / (10.0 / 65535.0))
    return int_ops.QSoftmax16(int(multiplier), int(shift), exp_table(), reciprocal_table())


def lower_layer_norm(build: Builder, node: Node[FloatOp]) -> str | None:
    """LayerNorm → QLayerNorm."""
    params = all_params(build, node, node.name)
    if isinstance(params, str):
        return params
    op = node.op
    assert isinstance(op, ops.LayerNorm)
    count = math.prod(node.inputs[0].shape[-op.axes :])
    numbers = _normalization(build, node, params[0], params[1], count, op.eps)
    if isinstance(numbers, str):
        return numbers
    x = build.codes(node.inputs[0].name, Layout.PLAIN)
    output = build.codes_output(node.name, Layout.PLAIN)
    build.emit(int_ops.QLayerNorm(op.axes, numbers), (x,), output)
    return None


def lower_group_norm(build: Builder, node: Node[FloatOp]) -> str | None:
    """GroupNorm → QGroupNorm."""
    params = all_params(build, node, node.name)
    if isinstance(params, str):
        return params
    op = node.op
    assert isinstance(op, ops.GroupNorm)
    shape = node.inputs[0].shape
    count = math.prod(shape[1:]) // op.groups
    numbers = _normalization(build, node, params[0], params[1], count, op.eps)
    if isinstance(numbers, str):
        return numbers
    layout = Layout.LAST if len(shape) > 2 else Layout.PLAIN
    x = build.codes(node.inputs[0].name, layout)
    output = build.codes_output(node.name, layout)
    build.emit(int_ops.QGroupNorm(op.groups, numbers), (x,), output)
    return None


def _normalization(
    build: Builder,
    node: Node[FloatOp],
    source: QuantParams,
    output: QuantParams,
    count: int,
    eps: float,
) -> int_ops.Normalization | str:
    if count > (2**22 if source.format.bits <= 8 else 2**15):
        return f"{count} elements of {source.format} overflow the 64-bit variance"
    gamma, beta = (_parameter(build, value) for value in node.inputs[1:3])
    scale = scalar_scale(output)
    gain = np.abs(gamma) / scale * 2.0 ** (FRACTION - NORMALIZED_FRACTION)
    multiplier, shift = saturating_multiplier(gain)
    no_clamp = (np.array([INT32_MIN]), np.array([INT32_MAX]))
    epsilon = round(count**2 * eps / scalar_scale(source) ** 2)
    beta_codes = round_half_away(beta / scale * 2.0**FRACTION)
    format = output.format
    assert isinstance(format, Int)
    return int_ops.Normalization(
        epsilon=min(max(epsilon, 1), 2**61),
        gain_sign=np.sign(gamma).astype(np.int64),
        gain=Requant(multiplier, shift, 0, *no_clamp),
        beta=np.clip(beta_codes, INT32_MIN, INT32_MAX).astype(np.int64),
        zero_point=scalar_zero_point(output),
        qmin=format.qmin,
        qmax=format.qmax,
    )


def _parameter(build: Builder, value: Value) -> Array:
    return build.graph.constants[value.name].astype(np.float64).ravel()
