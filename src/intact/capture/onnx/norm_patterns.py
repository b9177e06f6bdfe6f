"""Layer norm and group norm that exporters spell out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from intact.capture.onnx.node import OnnxNode
from intact.capture.onnx.web import Web
from intact.ir.graph import Shape
from intact.numerics.arrays import F32, Array


def fuse_layer_norm(node: OnnxNode, web: Web) -> OnnxNode | None:
    """(x - mean) / sqrt(variance + eps) over the last axes, then optional Mul and Add.

    `node` is the division.
    """
    found = _standardization(node, web)
    if found is None:
        return None
    shape = web.facts.shape(found.x)
    axes = tuple(sorted(axis % len(shape) for axis in found.axes))
    normal = shape[axes[0] :]
    if axes != tuple(range(axes[0], len(shape))) or min(normal) < 1:
        return None
    last, gamma, beta = _affine(node, web, lambda array: _broadcast(array, normal))
    gamma = gamma or web.parameter(f"{last.output}.gamma", np.ones(normal, np.float32))
    attributes = {"axis": axes[0], "epsilon": found.eps}
    return OnnxNode(
        last.name,
        "LayerNormalization",
        (found.x, gamma, beta),
        last.outputs,
        node.opset,
        attributes,
    )


@dataclass(frozen=True, slots=True)
class _Standardization:
    x: str
    axes: tuple[int, ...]
    eps: float


def _standardization(node: OnnxNode, web: Web) -> _Standardization | None:
    centred, deviation = _division(node, web)
    root = web.producer(deviation, "Sqrt")
    variance = _shifted(root.inputs[0], web) if root is not None else None
    difference = web.producer(centred, "Sub")
    if variance is None or difference is None:
        return None
    squares, eps = variance
    mean = web.producer(difference.inputs[1], "ReduceMean")
    mean_square = web.producer(squares, "ReduceMean")
    if mean is None or mean_square is None or mean.inputs[0] != difference.inputs[0]:
        return None
    axes = _mean_axes(mean, web)
    if not axes or axes != _mean_axes(mean_square, web):
        return None
    if not _is_square(mean_square.inputs[0], difference, web):
        return None
    return _Standardization(difference.inputs[0], axes, eps)


def _division(node: OnnxNode, web: Web) -> tuple[str, str]:
    """Numerator and denominator of a Div, or of a Mul by a Reciprocal."""
    if node.op_type == "Div":
        return node.inputs[0], node.inputs[1]
    if node.op_type == "Mul":
        for a, b in (node.inputs, node.inputs[::-1]):
            if (inverse := web.producer(b, "Reciprocal")) is not None:
                return a, inverse.inputs[0]
    return "", ""


def _shifted(name: str, web: Web) -> tuple[str, float] | None:
    """X and eps of x + eps."""
    node = web.producer(name, "Add")
    if node is not None:
        for x, number in (node.inputs, node.inputs[::-1]):
            if (eps := web.facts.scalar(number)) is not None:
                return x, eps
    return None


def _is_square(name: str, difference: OnnxNode, web: Web) -> bool:
    """Whether the value is the square of the difference; some exporters compute it twice."""
    node = web.producers.get(name)
    if node is None:
        return False
    squares = node.op_type == "Mul" and node.inputs[0] == node.inputs[1]
    if not squares and not (node.op_type == "Pow" and web.facts.scalar(node.inputs[1]) == 2):
        return False
    base = web.producer(node.inputs[0], "Sub")
    return base is not None and base.inputs == difference.inputs


def _mean_axes(node: OnnxNode, web: Web) -> tuple[int, ...] | None:
    if node.integer("keepdims", 1) != 1:
        return None
    if not node.input(1):
        return node.integers("axes")
    array = web.facts.static(node.input(1))
    return None if array is None else tuple(int(axis) for axis in array.reshape(-1))


def fuse_group_norm(node: OnnxNode, web: Web) -> OnnxNode | None:
    """Reshape to (N, groups, -1), InstanceNormalization, Reshape back, optional Mul and Add.

    `node` is the InstanceNormalization.
    """
    if node.op_type != "InstanceNormalization":
        return None
    grouped = web.producer(node.inputs[0], "Reshape")
    back = web.sole_reader(node.output)
    if grouped is None or back is None or back.op_type != "Reshape":
        return None
    x = grouped.inputs[0]
    shape, middle = web.facts.shape(x), web.facts.shape(node.inputs[0])
    if len(shape) < 3 or web.facts.shape(back.output) != shape or middle[0] != shape[0]:
        return None
    scale, bias = (web.facts.static(name) for name in node.inputs[1:3])
    channels, groups = shape[1], middle[1]
    if scale is None or bias is None or channels < 1 or channels % groups:
        return None
    last, gamma, beta = _affine(back, web, lambda array: _channels(array, shape))
    repeated = tuple(np.repeat(a.astype(np.float32), channels // groups) for a in (scale, bias))
    names = _combined(last, (gamma, beta), repeated, web)
    attributes = {"num_groups": groups, "epsilon": node.number("epsilon", 1e-5)}
    return OnnxNode(
        last.name,
        "GroupNormalization",
        (x, *names),
        last.outputs,
        node.opset,
        attributes,
    )


def _combined(
    last: OnnxNode, affine: tuple[str, str], inner: tuple[F32, ...], web: Web
) -> tuple[str, str]:
    """Gamma * (scale * x + bias) + beta; the file's own constants where scale is 1 and bias 0."""
    (gamma, beta), (scale, bias) = affine, inner
    known = web.facts.known
    factor = known[gamma].arrays[0] if gamma else np.float32(1)
    shift = known[beta].arrays[0] if beta else np.float32(0)
    if not gamma or np.any(scale != 1):
        gamma = web.parameter(f"{last.output}.gamma", scale * factor)
    if not beta or np.any(bias != 0):
        beta = web.parameter(f"{last.output}.beta", bias * factor + shift)
    return gamma, beta


Fit = Callable[[Array], F32 | None]


def _affine(node: OnnxNode, web: Web, fit: Fit) -> tuple[OnnxNode, str, str]:
    """The last of `node`, a Mul and an Add of constants that fit, and the constants' names."""
    last, names = node, ["", ""]
    for slot, op_type in enumerate(("Mul", "Add")):
        reader = web.sole_reader(last.output)
        name = web.constant_operand(reader, op_type, last.output)
        fitted = fit(web.facts.known[name].arrays[0]) if name else None
        if reader is not None and fitted is not None:
            source = web.facts.known[name].source
            names[slot] = web.parameter(f"{reader.output}.{op_type}", fitted, source)
            last = reader
    return last, names[0], names[1]


def _broadcast(array: Array, shape: Shape) -> F32 | None:
    """The array as float32 of `shape`, if it broadcasts to it."""
    lead = array.shape[: max(array.ndim - len(shape), 0)]
    tail = array.shape[len(lead) :]
    padded = (1,) * (len(shape) - len(tail)) + tail
    if any(dim != 1 for dim in lead):
        return None
    if any(dim not in (1, size) for dim, size in zip(padded, shape, strict=True)):
        return None
    full = np.broadcast_to(array.reshape(padded), shape)
    return np.ascontiguousarray(full, dtype=np.float32)


def _channels(array: Array, shape: Shape) -> F32 | None:
    """The array as (C,), if broadcasting it to x (N, C, ...) gives one number a channel."""
    normal = (1, shape[1], *(1 for _ in shape[2:]))
    fitted = _broadcast(array, normal)
    return None if fitted is None else fitted.reshape(-1)
