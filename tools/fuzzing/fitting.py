"""Makes the shapes and sizes of a changed Program fit, so that the change reaches the kernels."""

from dataclasses import fields, is_dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from intact.ir import float_ops as ops
from intact.ir import int_ops as q
from intact.ir.int_ops import IntOp
from intact.ir.packing import code_range
from intact.ir.shapes import output_shape
from intact.numerics.arrays import IntArray
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Format
from intact.numerics.qtensor import QuantParams

if TYPE_CHECKING:
    from fuzzing.programs import Draft

Rng = np.random.Generator
Shape = tuple[int, ...]

LAYERS = (q.QConv2d, q.QConvTranspose2d, q.DynamicConv2d)
LINEAR = (q.QLinear, q.DynamicLinear, ops.Linear)
SAME_DTYPE = (
    ops.Reshape, ops.Permute, ops.Slice, ops.Expand, ops.Pad, ops.Concat, ops.ResizeNearest,
    q.QMaxPool2d, q.QAvgPool2d, q.QAdaptiveAvgPool2d, q.QResizeNearest2d, q.QResizeBilinear2d,
)  # fmt: skip
ZERO_POINTS = {"input_zero_point": 0, "a_zero_point": 0, "b_zero_point": 1, "slope_zero_point": 1}


def fit(draft: "Draft", rng: Rng) -> None:
    """Node after node: constants, attributes, then the output's shape and format."""
    for i, (op, inputs, output) in enumerate(draft.nodes):
        made = op
        if inputs and inputs[0] in draft.values:
            _fit_constants(draft, made, inputs)
            made = _fit_movement(made, draft.values[inputs[0]].shape, rng)
            made = _fit_attributes(draft, made, inputs, output, rng)
            if isinstance(made, SAME_DTYPE):
                draft.set_dtype(output, draft.values[inputs[0]].dtype)
        draft.nodes[i] = (made, inputs, output)
        try:
            shape = output_shape(made, [draft.values[name].shape for name in inputs])
        except (ValueError, IndexError):
            continue
        draft.set_shape(output, shape)


def _fit_constants(draft: "Draft", op: IntOp, inputs: list[str]) -> None:
    x = draft.values[inputs[0]].shape
    if len(inputs) < 2 or not x:
        return
    weight = draft.values[inputs[1]].shape
    if isinstance(op, LAYERS) and len(weight) == 4 and op.groups > 0 and x[-1] > 0:
        outputs = -(-weight[0] // op.groups) * op.groups
        draft.set_shape(inputs[1], (outputs, *weight[1:3], max(x[-1] // op.groups, 1)))
    elif isinstance(op, LINEAR) and len(weight) == 2:
        draft.set_shape(inputs[1], (weight[0], x[-1]))
    elif isinstance(op, q.QMatMul) and len(weight) > 1 and inputs[1] in draft.inputs:
        draft.set_shape(inputs[1], (*weight[:-2], x[-1], weight[-1]))
    elif isinstance(op, q.QPrelu) and weight != (1,):
        draft.set_shape(inputs[1], (x[-1],))
    if isinstance(op, (*LAYERS, *LINEAR)):
        for name in inputs[2:]:
            draft.set_shape(name, draft.values[inputs[1]].shape[:1])


def _fit_movement(op: IntOp, x: Shape, rng: Rng) -> IntOp:
    match op:
        case ops.Reshape(shape) if _volume(shape) != _volume(x):
            cut = int(rng.integers(len(x) + 1))
            head, tail = x[:cut], x[cut:]
            signs = sum(n < 0 for n in tail)
            return ops.Reshape((*head, prod(tail)) if signs < 2 else x)
        case ops.Permute(axes) if sorted(axes) != list(range(len(x))):
            return ops.Permute(tuple(int(axis) for axis in rng.permutation(len(x))))
        case ops.Expand(shape):
            tail = (1,) * max(len(x) - len(shape), 0) + shape[-len(x) :] if x else ()
            return ops.Expand(tuple(m if n == 1 else n for n, m in zip(x, tail, strict=True)))
        case ops.Pad() if len(op.pads) != len(x):
            return replace(op, pads=(*op.pads, *((0, 0),) * len(x))[: len(x)])
        case ops.Slice() if 0 <= op.axis < len(x) and op.stop > x[op.axis] > 0:
            return replace(op, stop=x[op.axis], start=min(max(op.start, 0), x[op.axis] - 1))
        case _:
            return op


def _volume(shape: Shape) -> tuple[int, int]:
    return abs(prod(shape)), sum(n < 0 for n in shape)


# --- attributes ------------------------------------------------------------------------------


def _fit_attributes(draft: "Draft", op: IntOp, inputs: list[str], output: str, rng: Rng) -> IntOp:
    """Numbers for each channel as many as there are, codes within their formats."""
    x, out = draft.values[inputs[0]], draft.values[output]
    first = isinstance(op, (*LAYERS, q.QLinear, q.QEmbedding)) and len(inputs) > 1
    shape = draft.values[inputs[1]].shape[:1] if first else x.shape[-1:]
    channels = shape[0] if shape and shape[0] > 0 else 1
    if isinstance(op, q.QLayerNorm):
        channels = abs(prod(x.shape[max(len(x.shape) - op.axes, 0) :]))
    if channels > 4096:
        return op
    made = _fit_part(op, channels, code_range(out.dtype) or (0, 0))
    changes: dict[str, Any] = {}
    for name, position in ZERO_POINTS.items():
        if hasattr(made, name) and position < len(inputs) and rng.random() < 0.9:
            dtype = draft.values[inputs[position]].dtype
            changes[name] = _clipped(getattr(made, name), dtype)
    zero_points = getattr(made, "weight_zero_point", None)
    if zero_points is not None and len(zero_points) > 1:
        changes["weight_zero_point"] = tuple(int(n) for n in np.resize(zero_points, channels))
    if isinstance(made, q.Quantize | q.Dequantize):
        coded = out if isinstance(made, q.Quantize) else x
        changes["params"] = _fit_params(made.params, coded.dtype)
    if isinstance(made, q.Lookup) and x.dtype.bits <= 8:
        changes["table"] = np.resize(_clipped_array(made.table, out.dtype), 1 << x.dtype.bits)
    return replace(made, **changes)


def _fit_part(part: Any, channels: int, limits: tuple[int, int]) -> Any:
    """Requants and normalizations of as many channels."""
    match part:
        case Requant():
            sizes = {n: len(getattr(part, n)) for n in ("multiplier", "qmin")}
            count = channels if sizes["multiplier"] > 1 else 1
            clamps = channels if sizes["qmin"] > 1 else 1
            return replace(
                part,
                multiplier=np.resize(part.multiplier, count),
                shift=np.resize(part.shift, count),
                zero_point=int(np.clip(part.zero_point, *limits)),
                qmin=np.clip(np.resize(part.qmin, clamps), *limits),
                qmax=np.clip(np.resize(part.qmax, clamps), *limits),
            )
        case q.Normalization():
            gain = replace(
                part.gain,
                multiplier=np.resize(part.gain.multiplier, channels),
                shift=np.resize(part.gain.shift, channels),
            )
            numbers = {n: int(np.clip(getattr(part, n), *limits)) for n in ("qmin", "qmax")}
            return replace(
                part,
                gain_sign=np.resize(part.gain_sign, channels),
                gain=gain,
                beta=np.resize(part.beta, channels),
                zero_point=int(np.clip(part.zero_point, *limits)),
                **numbers,
            )
        case _ if is_dataclass(part):
            found = {
                field.name: _fit_part(getattr(part, field.name), channels, limits)
                for field in fields(part)
                if isinstance(getattr(part, field.name), Requant | q.Normalization)
            }
            return replace(part, **found)
        case _:
            return part


def _fit_params(params: QuantParams, dtype: Format) -> QuantParams:
    zero_point = params.zero_point
    if zero_point is not None:
        zero_point = _clipped_array(zero_point, dtype)
    return QuantParams(dtype, params.scale, zero_point)


def _clipped(number: int, dtype: Format) -> int:
    low, high = code_range(dtype) or (0, 0)
    return min(max(number, low), high)


def _clipped_array(numbers: IntArray, dtype: Format) -> IntArray:
    low, high = code_range(dtype) or (0, 0)
    clipped: IntArray = np.clip(numbers, low, high)
    return clipped
