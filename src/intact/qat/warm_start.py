"""Warm start: training begins with what post-training quantization found.

A prepared network begins with the float weights anyway, and its quantizers with ranges of their
own. Where a post-training method found better ones, or better codes (AdaRound, GPTQ), or changed
the network for the better (equalization, corrected biases), training can go on from its result.
That has no BatchNorms left: they are folded.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.model import QuantizedModel
from intact.numerics.qtensor import QTensor, QuantParams, ScaledTensor
from intact.qat.lsq import LsqActivation, LsqWeight
from intact.qat.network import TrainableNetwork, prepare
from intact.qat.protocol import FakeActivation, QatRule
from intact.qat.recipe import QatRecipe


def prepare_quantized(
    model: QuantizedModel, recipe: QatRecipe | Sequence[QatRule]
) -> TrainableNetwork:
    """A network to train whose weights are those of the codes of a quantized one.

    `LsqWeight` and `LsqActivation` of the same format and granularity take its scales, and so give
    the same codes. All other quantizers begin with these weights, and with activations that reach
    over the range of its codes.

    Args:
        model: ``intact.quantize(...).model``.
        recipe: As for `prepare`.

    Raises:
        ValueError: if a rule matches nothing.
    """
    weights = {name: codes.dequantize() for name, codes in model.weights.items()}
    graph = replace(model.graph, constants={**model.graph.constants, **weights})
    network = prepare(graph, recipe)
    with torch.no_grad():
        for name, (op, quantizer) in network.weights.items():
            if isinstance(quantizer, LsqWeight) and name in model.weights:
                _begin_weight(quantizer, model.weights[name], op)
        for name, activation in network.activations.items():
            params = model.activations.get(name)
            if isinstance(params, QuantParams):
                _begin_activation(activation, params)
    return network


def _begin_weight(quantizer: LsqWeight, found: QTensor, op: FloatOp) -> None:
    if not isinstance(found, ScaledTensor):
        return
    params = found.swapped().params if isinstance(op, ops.ConvTranspose) else found.params
    same = params.format == quantizer.format and params.scale.shape == quantizer.step.shape
    if same and not params.offset.any():
        quantizer.step.copy_(torch.from_numpy(params.scale.copy()))


def _begin_activation(quantizer: FakeActivation, params: QuantParams) -> None:
    assert isinstance(quantizer, nn.Module)
    quantizer(_range(params))  # in training mode, like every new module
    if isinstance(quantizer, LsqActivation) and quantizer.format == params.format:
        quantizer.step.fill_(float(params.scale))
        quantizer.zero_point.fill_(int(params.offset))


def _range(params: QuantParams) -> Tensor:
    """The numbers of all codes, (1, codes); a symmetric range is as wide on both sides."""
    real = params.dequantize(params.format.codes())
    if params.zero_point is None:
        real = real[real >= -real.max()]
    return torch.from_numpy(np.ascontiguousarray(real)).unsqueeze(0)
