"""finish: what was trained as a `QuantizedModel`, with the codes that training computed with.

A BatchNorm is folded as in `fold_batchnorm`: the codes of the layer's weight stay, and its factor
gamma / sqrt(variance + eps) goes into the scales, of which each output channel then has its own
(`rescaled`).
"""

from typing import TYPE_CHECKING

import numpy as np
import torch

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.ir.scans import every_node
from intact.model import QuantizedModel
from intact.numerics.arrays import F64
from intact.numerics.qtensor import QTensor, ScaledTensor
from intact.observers import constant_params
from intact.passes.drop_dropout import drop_dropout
from intact.passes.fold_batchnorm import affine, folded_into
from intact.passes.inference import for_inference
from intact.passes.placement import HasWeight
from intact.qat.minmax import MinMaxWeight
from intact.qat.protocol import oriented
from intact.qat.rescaled import rescaled
from intact.qat.shift_batchnorm import with_shift_factors

if TYPE_CHECKING:
    from intact.qat.network import TrainableNetwork


def finish(network: "TrainableNetwork") -> QuantizedModel:
    """The network as it was trained, its BatchNorms folded with their running statistics.

    Raises:
        CalibrationError: if an activation's quantizer saw no data.
    """
    trained = drop_dropout(network.network.to_graph())
    if network.batchnorm.shift:
        trained = with_shift_factors(trained)
    graph = for_inference(trained)
    factors = _factors(trained, graph)
    layers = {node.name: node for node in every_node(trained)}
    weights: dict[str, QTensor] = {}
    for node in every_node(graph):
        name = _weight(node, graph)
        if name is None or node.name not in network.chosen:
            continue
        before = layers.get(node.name)
        if before is not None and before.inputs[1].name in network.weights:
            codes, applied = _frozen(network, before)
            factor = factors.get(node.name)
            if factor is not None:
                codes = rescaled(codes, node.op, _without(factor, applied))
            weights[name] = codes
        elif network.chosen[node.name].weight is not None:
            # A BatchNorm of its own trains unrounded, whatever its rule gives weights. With a scale
            # for each of its numbers, 8 bits hold it.
            weight = torch.from_numpy(graph.constants[name].copy())
            weights[name] = MinMaxWeight(weight).freeze(weight)
    activations = {name: found.params() for name, found in network.activations.items()}
    constants = constant_params(graph, network.formats)
    return QuantizedModel(graph, weights, {**activations, **constants})


def _weight(node: Node[FloatOp], graph: Graph[FloatOp]) -> str | None:
    has = isinstance(node.op, HasWeight) and node.inputs[1].name in graph.constants
    return node.inputs[1].name if has else None


def _factors(trained: Graph[FloatOp], graph: Graph[FloatOp]) -> dict[str, F64]:
    """What the output channels (O,) of each layer are multiplied by in folding."""
    factors: dict[str, F64] = {}
    into = folded_into(trained, graph)
    for node in trained.nodes:
        if node.name in into:
            factor, _ = affine(node, trained.constants)
            factors[into[node.name]] = factors.get(into[node.name], 1.0) * factor
    return factors


def _frozen(network: "TrainableNetwork", node: Node[FloatOp]) -> tuple[QTensor, F64]:
    """The codes of a weight, in the layer's own order of axes, and the factor that they hold."""
    name = node.inputs[1].name
    op, quantizer = network.weights[name]
    weight = oriented(op, network.network.constant(name).detach())
    factor = network.factor(node.name, weight).detach()
    codes = quantizer.freeze(weight * factor)
    applied = factor.cpu().numpy().astype(np.float64).ravel()
    if not isinstance(op, ops.ConvTranspose):
        return codes, applied
    assert isinstance(codes, ScaledTensor)
    return codes.swapped(), applied


def _without(factor: F64, applied: F64) -> F64:
    """What is left of a factor; exactly 1 where float32 had applied it."""
    left: F64 = np.where(factor.astype(np.float32) == applied, 1.0, factor / applied)
    return left
