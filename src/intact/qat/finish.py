"""finish: what was trained as a `QuantizedModel`, with the codes that training computed with.

A BatchNorm is folded as in `fold_batchnorm`: the codes of the layer's weight stay, and its factor
gamma / sqrt(variance + eps) goes into the scales, of which each output channel then has its own.
Where the factor is negative the grid is mirrored: real = s (q - z) becomes

    -real = s (q' - z'),    q' = qmin + qmax - q,    z' = qmin + qmax - z.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch

from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.model import QuantizedModel
from intact.numerics.arrays import F64
from intact.numerics.formats import Int
from intact.numerics.granularity import stretch
from intact.numerics.qtensor import QTensor, QuantParams, ScaledTensor
from intact.observers import constant_params
from intact.passes.drop_dropout import drop_dropout
from intact.passes.fold_batchnorm import affine, along_outputs, folded_into
from intact.passes.inference import for_inference
from intact.passes.placement import HasWeight
from intact.qat.protocol import oriented

if TYPE_CHECKING:
    from intact.qat.network import TrainableNetwork


def finish(network: "TrainableNetwork") -> QuantizedModel:
    """The network as it was trained, its BatchNorms folded with their running statistics.

    Raises:
        CalibrationError: if an activation's quantizer saw no data.
    """
    trained = drop_dropout(network.network.to_graph())
    graph = for_inference(trained)
    factors = _factors(trained, graph)
    layers = {node.name: node for node in trained.nodes}
    weights: dict[str, QTensor] = {}
    for node in graph.nodes:
        name = _weight(node, graph)
        if name is None or node.name not in network.chosen:
            continue
        before = layers.get(node.name)
        if before is not None and before.inputs[1].name in network.weights:
            codes, applied = _frozen(network, before)
            factor = factors.get(node.name)
            factor = factor if factor is None else _without(factor, applied)
            weights[name] = _scaled(codes, node.op, factor)
        elif (make := network.chosen[node.name].weight) is not None:  # a BatchNorm of its own
            weight = torch.from_numpy(graph.constants[name].copy())
            weights[name] = make(weight).freeze(weight)
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


def _scaled(weight: QTensor, op: FloatOp, factor: F64 | None) -> QTensor:
    """The codes with the real numbers multiplied by a factor for each output channel."""
    if factor is None:
        return weight
    if not isinstance(weight, ScaledTensor) or not isinstance(weight.params.format, Int):
        raise UnsupportedOpError(
            "a BatchNorm can be folded into a weight of integer codes with scales only: give the"
            " layer another quantizer"
        )
    params, codes, format = weight.params, weight.codes, weight.params.format
    by_output = along_outputs(op, factor, codes.shape)
    if isinstance(op, ops.ConvTranspose):
        if op.groups > 1:
            raise UnsupportedOpError(
                "a BatchNorm cannot be folded into a trained transposed convolution of several"
                " groups: keep the layer float"
            )
        by_output = by_output[:1]
    scale = params.scale * np.abs(by_output)
    offset = np.broadcast_to(params.offset, scale.shape)
    dead = scale == 0  # the channel is a constant: weights of 0
    codes = np.where(stretch(dead, codes.shape), stretch(offset, codes.shape), codes)
    mirrored = np.broadcast_to(by_output < 0, scale.shape)
    ends = format.qmin + format.qmax
    codes = np.where(stretch(mirrored, codes.shape), ends - codes, codes)
    offset = np.where(mirrored, ends - offset, offset)
    made = QuantParams(format, np.where(dead, 1.0, scale), offset if offset.any() else None)
    return ScaledTensor(codes.astype(format.storage), made)
