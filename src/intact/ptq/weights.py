"""The weights of a graph through each layer's `WeightMethod`."""

from collections.abc import Mapping

import numpy as np
import torch

from intact.errors import CalibrationError, UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.arrays import Array
from intact.numerics.qtensor import CodebookTensor, QTensor, ScaledTensor
from intact.ptq.protocol import PtqRule, WeightMethod
from intact.rules import weight_methods


def quantize_weights(graph: Graph[FloatOp], chosen: Mapping[str, PtqRule]) -> dict[str, QTensor]:
    """The quantized weights by constant name, given the rule of each node by its name.

    Raises:
        ValueError: if layers that share a weight are given different methods.
        CalibrationError: if a weight is not finite.
    """
    weights: dict[str, QTensor] = {}
    for name, (node, method) in weight_methods(graph, chosen).items():
        weight = graph.constants[name]
        if not np.isfinite(weight).all():
            raise CalibrationError(
                f'weight "{name}" of "{node.name}" has numbers that are not finite; train or'
                " export the network again"
            )
        weights[name] = quantize_weight(node.op, weight, method)
    return weights


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
        case ScaledTensor():
            return quantized.swapped()
        case CodebookTensor():
            raise UnsupportedOpError(
                "a transposed convolution cannot have a codebook: give it another weight method"
            )
