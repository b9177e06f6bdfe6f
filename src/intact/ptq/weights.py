"""The weights of a graph through each layer's `WeightMethod`."""

from collections.abc import Mapping

import numpy as np
import torch

from intact.errors import CalibrationError, UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.numerics.arrays import Array
from intact.numerics.qtensor import CodebookTensor, QTensor, QuantParams, ScaledTensor
from intact.passes.placement import HasWeight
from intact.ptq.protocol import PtqRule, WeightMethod


def quantize_weights(graph: Graph[FloatOp], chosen: Mapping[str, PtqRule]) -> dict[str, QTensor]:
    """The quantized weights by constant name, given the rule of each node by its name.

    Raises:
        ValueError: if layers that share a weight are given different methods.
        CalibrationError: if a weight is not finite.
    """
    weights: dict[str, QTensor] = {}
    for name, (node, method) in _methods(graph, chosen).items():
        weight = graph.constants[name]
        if not np.isfinite(weight).all():
            raise CalibrationError(
                f'weight "{name}" of "{node.name}" has numbers that are not finite; train or'
                " export the network again"
            )
        weights[name] = quantize_weight(node.op, weight, method)
    return weights


def _methods(
    graph: Graph[FloatOp], chosen: Mapping[str, PtqRule]
) -> dict[str, tuple[Node[FloatOp], WeightMethod]]:
    """The method of each weight, and the first node that reads it."""
    readers: dict[str, tuple[Node[FloatOp], WeightMethod | None]] = {}
    for node in graph.nodes:
        if not isinstance(node.op, HasWeight) or node.inputs[1].name not in graph.constants:
            continue
        name = node.inputs[1].name
        method = chosen[node.name].weight if node.name in chosen else None
        first, other = readers.setdefault(name, (node, method))
        if other != method:
            raise ValueError(
                f'"{first.name}" and "{node.name}" share the weight "{name}", but their rules give'
                f" it {other} and {method}; give both the same"
            )
    return {name: (node, method) for name, (node, method) in readers.items() if method is not None}


def quantize_weight(op: FloatOp, weight: Array, method: WeightMethod) -> QTensor:
    """The layer's weight through `method`, in the layer's own order of axes.

    A ConvTranspose has weight (C, O/groups, kh, kw): the method sees (O/groups, C, kh, kw), so that
    the groups share the scale of an output channel.

    Raises:
        UnsupportedOpError: if `method` gives a ConvTranspose a codebook.
    """
    swap = isinstance(op, ops.ConvTranspose)
    array = np.ascontiguousarray(weight.swapaxes(0, 1) if swap else weight, np.float32)
    quantized = method(torch.from_numpy(array.copy()), None)
    if not swap:
        return quantized
    match quantized:
        case ScaledTensor(codes, params):
            return ScaledTensor(np.ascontiguousarray(codes.swapaxes(0, 1)), _swapped(params))
        case CodebookTensor():
            raise UnsupportedOpError(
                "a transposed convolution cannot have a codebook: give it another weight method"
            )


def _swapped(params: QuantParams) -> QuantParams:
    if params.scale.ndim == 0:
        return params
    zero_point = params.zero_point
    return QuantParams(
        params.format,
        params.scale.swapaxes(0, 1),
        None if zero_point is None else zero_point.swapaxes(0, 1),
    )
