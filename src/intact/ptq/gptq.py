"""GPTQ: rounds a layer's weights one input after the other, the later ones making up for errors.

Frantar et al. 2023, "GPTQ: Accurate post-training quantization for generative pre-trained
transformers", algorithm 1, after "optimal brain quantization" (Frantar and Alistarh 2022). For a
layer of rows W whose inputs are the columns of X, the rounded W' shall have a small error
||W X - W' X||**2. With H = 2 X X^T, damped, and U the upper Cholesky factor of its inverse (U^T U =
H^-1), input j is rounded to q in all rows, and the inputs after it take up the error:

    e = (w_j - q) / U_jj,    w_k <- w_k - e U_jk  for k > j.

1. X is what the layer reads in the quantized network, its layers before rounded already. A
   convolution's X has a column for each output pixel; each of its groups has an H of its own.
2. The layer's bias makes up for the mean error. It is one more weight, of an input that is always
   1 and that is never rounded; to eliminate it leaves the covariance of the inputs for H.
3. Scales and zero points stay, in groups as well.
4. A row whose codes were better before keeps them.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.model import QuantizedModel
from intact.numerics.arrays import F32, F64, Codes
from intact.numerics.formats import Int
from intact.numerics.granularity import stretch
from intact.numerics.qtensor import QTensor, ScaledTensor
from intact.ptq.bias_correction import shift_biases
from intact.ptq.layerwise import Env, Layerwise, Stepped, integer_weight, layers
from intact.ptq.protocol import Batch, Progress
from intact.ptq.unfolded import as_rows, groups_of, unfolded

_ROUNDING = 8 * torch.finfo(torch.float32).eps  # of sums in float32: twice what was ever seen
_BLOCK = 128  # inputs whose later ones are changed at once, in a product of matrices


@dataclass(frozen=True, slots=True)
class Gptq:
    """New codes and biases for convolutions and linear layers of integer weights.

    Transposed convolutions and layers that share a weight are left as they are.
    """

    damping: float = 0.01  # of the mean of H's diagonal, added to it
    by_size: bool = True  # inputs of large variance first (the paper's "act-order")
    samples: int = 128  # the first of the calibration data
    memory: int = 1 << 30  # bytes of activations that are kept

    def __post_init__(self) -> None:
        if self.damping < 0:
            raise ValueError(f"damping adds at least 0 to H's diagonal, not {self.damping:g}")

    def __call__(
        self,
        model: QuantizedModel,
        reference: Graph[FloatOp],
        batches: Iterable[Batch],
        progress: Progress,
    ) -> QuantizedModel:
        """The network with weights rounded so.

        Raises:
            CalibrationError: if there are no samples.
        """
        network = Stepped(model)
        walk = Layerwise((network,), batches, self.samples, self.memory)
        weights = dict(model.weights)
        todo = _able(model)
        for done, (index, node) in enumerate(todo):
            target = _Target.of(reference, reference.nodes[index])
            moments = Moments(node, target.weight.shape)
            walk.visit(index, moments.see, partial(progress, "rounding weights", done, len(todo)))
            name = node.inputs[1].name
            weights[name], bias = self._rounded(node, target, weights[name], moments)
            network.set_weight(name, torch.from_numpy(weights[name].dequantize()))
            network.shifts[node.name] = bias - _bias(model.graph, node)
        return replace(model, graph=shift_biases(model.graph, network.shifts), weights=weights)

    def _rounded(
        self, node: Node[FloatOp], target: "_Target", before: QTensor, moments: "Moments"
    ) -> tuple[ScaledTensor, F64]:
        """Codes and bias of one layer."""
        assert isinstance(before, ScaledTensor)
        rows = as_rows(node.op, torch.from_numpy(target.weight)).double()
        grid = Grid.of(node.op, before)
        covariance = moments.covariance
        hessian = damped(covariance, self.damping, moments.noise)
        found = rounded_in_turn(rows, hessian, grid, by_size=self.by_size)
        old = as_rows(node.op, torch.from_numpy(before.dequantize())).double()
        better = _errors(rows - found, covariance) < _errors(rows - old, covariance)
        found = torch.where(better[..., None], found, old)
        shift = ((rows - found) @ moments.mean[..., None]).flatten().numpy()
        return ScaledTensor(grid.codes(found, before), before.params), target.bias + shift


@dataclass(frozen=True, slots=True)
class _Target:
    """Weight and bias of a layer of the float network."""

    weight: F32
    bias: F64  # (O,)

    @classmethod
    def of(cls, graph: Graph[FloatOp], node: Node[FloatOp]) -> "_Target":
        return cls(graph.constants[node.inputs[1].name], _bias(graph, node))


def _bias(graph: Graph[FloatOp], node: Node[FloatOp]) -> F64:
    if len(node.inputs) > 2:
        return graph.constants[node.inputs[2].name].astype(np.float64)
    return np.zeros(graph.constants[node.inputs[1].name].shape[0])


def _able(model: QuantizedModel) -> list[tuple[int, Node[FloatOp]]]:
    readers = model.graph.consumers()
    return [
        (index, node)
        for index, node in layers(model)
        if integer_weight(model, node)
        and len(readers[node.inputs[1].name]) == 1
        and not isinstance(node.op, ops.ConvTranspose)
    ]


class Moments:
    """Mean and covariance of what a layer's outputs are products of, in each group."""

    def __init__(self, node: Node[FloatOp], shape: tuple[int, ...]) -> None:
        self._node, self._kernel = node, shape[2:]
        groups, size = groups_of(node.op), math.prod(shape[1:])
        self._sums = torch.zeros(groups, size, dtype=torch.float64)
        self._products = torch.zeros(groups, size, size, dtype=torch.float64)
        self._count = 0

    def see(self, envs: tuple[Env, ...], samples: int) -> None:  # noqa: ARG002
        """With one more piece of data, from the first network's values."""
        x = envs[0][self._node.inputs[0].name]
        for part in unfolded(self._node, x, self._kernel):
            self._sums += part.sum(2).double()
            self._products += (part @ part.transpose(1, 2)).double()
            self._count += part.shape[2]

    @property
    def mean(self) -> Tensor:
        """E[x] (groups, K)."""
        return self._sums / self._count

    @property
    def products(self) -> Tensor:
        """E[x x^T] (groups, K, K)."""
        return self._products / self._count

    @property
    def covariance(self) -> Tensor:
        """E[x x^T] - E[x] E[x]^T (groups, K, K)."""
        mean = self.mean
        return self.products - mean[..., None] * mean[:, None]

    @property
    def noise(self) -> Tensor:
        """How large an eigenvalue of `covariance` may be by rounding alone (groups,)."""
        squares = self._products.diagonal(dim1=1, dim2=2).sum(1) / self._count
        return squares * _ROUNDING


@dataclass(frozen=True, slots=True)
class Grid:
    """The numbers that each weight can be: integers low..high times scale; (groups, rows, K)."""

    scale: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, op: FloatOp, weight: ScaledTensor) -> "Grid":
        """That of a quantized weight."""
        params, shape = weight.params, weight.shape
        assert isinstance(params.format, Int)
        scale, offset = (
            as_rows(op, torch.from_numpy(np.broadcast_to(stretch(array, shape), shape).copy()))
            for array in (params.scale.astype(np.float64), params.offset.astype(np.float64))
        )
        return cls(scale, params.format.qmin - offset, params.format.qmax - offset)

    def columns(self, order: Tensor) -> "Grid":
        """With the columns of each group (groups, K) in another order."""
        return Grid(*(_reordered(x, order) for x in (self.scale, self.low, self.high)))

    def nearest(self, weight: Tensor, column: int) -> Tensor:
        """The nearest numbers to (groups, rows) of one column."""
        scale = self.scale[..., column]
        low, high = self.low[..., column], self.high[..., column]
        return (weight / scale).round().clamp(low, high) * scale

    def codes(self, numbers: Tensor, like: ScaledTensor) -> Codes:
        """The codes of numbers on the grid, in the layer's layout."""
        levels = (numbers / self.scale).round().numpy().reshape(like.shape)
        offset = stretch(like.params.offset, like.shape)
        return (levels + offset).astype(like.codes.dtype)


def damped(hessian: Tensor, damping: float, noise: Tensor) -> Tensor:
    """The matrix with a share of its mean diagonal added, at least `noise` (groups,).

    So inputs that hardly vary leave it positive definite; a group without inputs gets identity.
    """
    diagonal = hessian.diagonal(dim1=1, dim2=2).mean(1)
    extra = torch.maximum(damping * diagonal, noise)
    extra = torch.where(extra > 0, extra, 1.0)
    return hessian + extra[:, None, None] * torch.eye(hessian.shape[1], dtype=hessian.dtype)


def rounded_in_turn(weight: Tensor, hessian: Tensor, grid: Grid, *, by_size: bool) -> Tensor:
    """Numbers of the grid (groups, rows, K), given a positive definite H (groups, K, K)."""
    if not by_size:
        return _rounded(weight.clone(), _factor(hessian), grid)
    order = hessian.diagonal(dim1=1, dim2=2).argsort(stable=True, dim=1, descending=True)
    sorted_ = _reordered(_reordered(hessian, order).transpose(1, 2), order)
    found = _rounded(_reordered(weight, order), _factor(sorted_), grid.columns(order))
    return _reordered(found, order.argsort(1))


def _rounded(weight: Tensor, u: Tensor, grid: Grid) -> Tensor:
    """Changes `weight` in place."""
    inputs = weight.shape[2]
    for start in range(0, inputs, _BLOCK):
        end = min(start + _BLOCK, inputs)
        errors = torch.zeros_like(weight[..., start:end])
        for j in range(start, end):
            q = grid.nearest(weight[..., j], j)
            error = (weight[..., j] - q) / u[:, j, j, None]
            weight[..., j] = q
            weight[..., j + 1 : end] -= error[..., None] * u[:, None, j, j + 1 : end]
            errors[..., j - start] = error
        weight[..., end:] -= errors @ u[:, start:end, end:]
    return weight


def _factor(hessian: Tensor) -> Tensor:
    """Upper U with U^T U = H^-1."""
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    factor: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return factor


def _reordered(x: Tensor, order: Tensor) -> Tensor:
    """The last axis of (groups, rows, K) in the order (groups, K)."""
    return x.gather(2, order[:, None].expand_as(x))


def _errors(difference: Tensor, covariance: Tensor) -> Tensor:
    """Mean squared error of each output (groups, rows)."""
    return torch.einsum("grk,grk->gr", difference @ covariance, difference)
