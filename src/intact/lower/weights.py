"""Weights and biases of layers in kernel layout, and their Requant (arithmetic.md, section 3)."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node, Value
from intact.lower.accumulators import Terms, finest_shift
from intact.lower.builder import Builder
from intact.lower.matching import matched
from intact.lower.params import all_params
from intact.lower.requant import (
    FusedActivation,
    constant_channels,
    quantize_bias,
    requant,
)
from intact.numerics.arrays import F64, Array, Codes, IntArray
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Binary, Float, Format, Int
from intact.numerics.integers import integer_unit, weight_integers
from intact.numerics.qtensor import QuantParams, ScaledTensor, scalar_scale


@dataclass(frozen=True, slots=True)
class Weight:
    """A layer's weight in kernel layout: output channels first, input channels last."""

    name: str
    codes: Codes  # (O, ..., I)
    format: Format
    scale: F64  # (O,) or (1,): real = scale * (integer - zero_point)
    zero_point: tuple[int, ...] | None  # (O,) or (1,)

    def params(self) -> QuantParams:
        """Scales in the kernel layout's rank, for exporters and reports."""
        shape = (-1,) + (1,) * (self.codes.ndim - 1)
        scale = (self.scale / integer_unit(self.format)).astype(np.float32).reshape(shape)
        if self.zero_point is None:
            return QuantParams(self.format, scale)
        return QuantParams(self.format, scale, np.asarray(self.zero_point).reshape(shape))


def kernel_weight(name: str, tensor: object, op: FloatOp) -> Weight | str:
    """A quantized weight in kernel layout, or the reason why integer kernels cannot use it."""
    if not isinstance(tensor, ScaledTensor):
        return "its weights are float"
    format = tensor.params.format
    if isinstance(format, Float):
        return f"its weights are {format}"
    axis = 1 if isinstance(op, ops.ConvTranspose) else 0
    groups = op.groups if isinstance(op, ops.ConvTranspose) else 1
    scale = tensor.params.scale
    if any(n != 1 for i, n in enumerate(scale.shape) if i != axis):
        return "its weights have a scale for each group"
    repeats = groups if scale.size > 1 else 1
    scales = np.tile(scale.astype(np.float64).ravel() * integer_unit(format), repeats)
    offsets = None
    if tensor.params.zero_point is not None and tensor.params.offset.any():
        offsets = tuple(int(z) for z in np.tile(tensor.params.offset.ravel(), repeats))
    codes = kernel_layout(tensor.codes, op)
    return Weight(name, codes, format, scales, offsets)


def kernel_layout(codes: Array, op: FloatOp) -> Array:
    """A layer's weight with output channels first and input channels last."""
    match op:
        case ops.Conv() if codes.ndim == 3:
            return codes.transpose(0, 2, 1)[:, None]
        case ops.Conv():
            return codes.transpose(0, 2, 3, 1)
        case ops.ConvTranspose():
            inputs, outputs, height, width = codes.shape
            grouped = codes.reshape(op.groups, inputs // op.groups, outputs, height, width)
            moved = grouped.transpose(0, 2, 3, 4, 1)
            return moved.reshape(op.groups * outputs, height, width, inputs // op.groups)
        case _:
            return codes


@dataclass(frozen=True, slots=True)
class Layer:
    """An integer layer: weight and bias constants, and how its accumulator becomes codes."""

    weight: Value
    bias: Value
    weight_zero_point: tuple[int, ...] | None
    requant: Requant
    weight_shift: int


def integer_layer(
    build: Builder, node: Node[FloatOp], target: str, activation: FusedActivation
) -> Layer | str:
    """Constants and Requant of a layer with a weight, or the reason why it stays float."""
    params = all_params(build, node, target)
    if isinstance(params, str):
        return params
    source, output = params
    weight_name = node.inputs[1].name
    weight = kernel_weight(weight_name, build.weights.get(weight_name), node.op)
    if isinstance(weight, str):
        return weight
    bias = build.graph.constants[node.inputs[2].name] if len(node.inputs) > 2 else None
    real_bias = np.zeros(weight.codes.shape[0]) if bias is None else bias.astype(np.float64)
    if isinstance(output.format, Binary):
        sums = _thresholds(weight, source, output, real_bias, activation)
    else:
        weight, sums = _scaled(weight, source, output, real_bias, activation)
    bias_name = node.inputs[2].name if len(node.inputs) > 2 else f"{node.name}.bias"
    return Layer(
        weight=build.constant(weight.name, weight.codes, weight.format, weight.params()),
        bias=build.constant(bias_name, sums.bias, Int(sums.requant.accumulator_bits)),
        weight_zero_point=weight.zero_point,
        requant=sums.requant,
        weight_shift=sums.shift,
    )


@dataclass(frozen=True, slots=True)
class _Sums:
    """What is done to the sums of products: requant((sum << shift) + bias)."""

    shift: int
    bias: IntArray
    requant: Requant


def _thresholds(
    weight: Weight,
    source: QuantParams,
    output: QuantParams,
    bias: F64,
    activation: FusedActivation,
) -> _Sums:
    """The sign of scale * sum + bias: whether the sum is at least ceil(-bias / scale) (eq. 59)."""
    terms = _terms(weight, source, bias)
    beyond = terms.unit(0) * (terms.reach + 1)  # of which sums decide nothing
    terms = replace(terms, bias=np.clip(bias, -beyond, beyond))
    bits = terms.bits(0)
    codes = np.floor(terms.bias / terms.unit(0)).astype(f"int{bits}")
    return _Sums(0, codes, requant(1.0, output, activation, bits))


def _scaled(
    weight: Weight,
    source: QuantParams,
    output: QuantParams,
    bias: F64,
    activation: FusedActivation,
) -> tuple[Weight, _Sums]:
    """Sums on the output's scale."""
    finest = finest_shift(weight.format, weight.zero_point, source)
    weight, still = _room_for_bias(weight, bias, scalar_scale(source), finest)
    terms = _terms(weight, source, np.where(still, 0.0, bias))
    shift = terms.shift(finest)
    bits, unit = terms.bits(shift), terms.unit(shift)
    made = requant(unit / scalar_scale(output), output, activation, bits)
    made = constant_channels(made, still, bias / scalar_scale(output))
    codes = quantize_bias(terms.bias, unit, bits)
    if shift:
        codes, made = matched(codes, terms, shift, made, scalar_scale(output))
    return weight, _Sums(shift, codes, made)


def _room_for_bias(
    weight: Weight, bias: F64, input_scale: float, shift: int
) -> tuple[Weight, NDArray[np.bool_]]:
    """Channels whose weights are so small that their bias would not fit int32.

    Their scales are widened and their codes rounded. Other formats than integers may have no code
    for 0: of these, such channels (O,) are returned, and are constants.
    """
    small = np.broadcast_to(weight.scale, bias.shape) < np.abs(bias) / (input_scale * 2.0**30)
    none = np.zeros_like(small)
    if not small.any() or weight.zero_point:
        return weight, none
    if not isinstance(weight.format, Int):
        scale = np.where(small, 1.0, weight.scale)
        return replace(weight, scale=scale), small
    widened = np.where(small, np.abs(bias) / (input_scale * 2.0 ** (30 - shift)), weight.scale)
    ratio = (weight.scale / widened).reshape((-1,) + (1,) * (weight.codes.ndim - 1))
    codes = weight.format.encode(weight.codes * ratio)
    return Weight(weight.name, codes, weight.format, widened, None), none


def _terms(weight: Weight, source: QuantParams, bias: F64) -> Terms:
    integers = weight_integers(weight.codes, weight.format, weight.zero_point)
    rows = np.abs(integers.reshape(len(integers), -1)).sum(axis=1)
    return Terms(rows.astype(np.float64), weight.scale, source, bias)
