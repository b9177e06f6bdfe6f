"""Shift-based BatchNorm: powers of two for its factors (Courbariaux, Hubara et al. 2016, alg. 3).

    forward:   c = x - mean,    variance = mean of c AP2(c)
               y = AP2(gamma) AP2(1 / sqrt(variance + eps)) c + beta
    backward:  that of the same expression, through AP2 as if it were the identity

with AP2(x) the power of two nearest in logarithm. What ships is an affine map as any BatchNorm's,
with the two powers as its factor. It trains in the place of every BatchNorm of a network:
``QatRecipe(rules=..., batchnorm=BatchNormTraining(shift=True))``.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.numerics.arrays import Array
from intact.qat.shift import ap2
from intact.qat.straight_through import straight_through


def shift_slope(gamma: Tensor, variance: Tensor, eps: float) -> Tensor:
    """What c is multiplied by, a power of two or 0."""
    inverse = torch.rsqrt(variance + eps)
    return straight_through(ap2(gamma), gamma) * straight_through(ap2(inverse), inverse)


def shift_moments(x: Tensor, axes: list[int]) -> tuple[Tensor, Tensor]:
    """Mean, and what stands for the variance: the mean of c AP2(c)."""
    mean = x.mean(axes, keepdim=True)
    centred = x - mean
    variance = (centred * straight_through(ap2(centred), centred)).mean(axes)
    return mean.reshape(-1), variance


def with_shift_factors(graph: Graph[FloatOp]) -> Graph[FloatOp]:
    """BatchNorms of variance 1 and eps 0 that compute what the shift-based ones do."""
    constants = dict(graph.constants)
    nodes = [_shifted(node, graph.constants, constants) for node in graph.nodes]
    return replace(graph, nodes=tuple(nodes), constants=constants)


def _shifted(
    node: Node[FloatOp], given: Mapping[str, Array], made: dict[str, Array]
) -> Node[FloatOp]:
    if not isinstance(node.op, ops.BatchNorm):
        return node
    gamma, _, _, variance = (value.name for value in node.inputs[1:])
    slope = shift_slope(
        torch.from_numpy(given[gamma]), torch.from_numpy(given[variance]), node.op.eps
    )
    made[gamma], made[variance] = slope.numpy(), np.ones_like(given[variance])
    return replace(node, op=replace(node.op, eps=0.0))
