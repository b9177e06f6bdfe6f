"""Normalization."""

from collections.abc import Sequence

import torch

from intact.capture.builder import Call, Constant, Operand
from intact.ir import float_ops as ops
from intact.ir.graph import Shape


def _affine(c: Call, weight: Operand | None, bias: Operand | None, shape: Shape) -> list[Constant]:
    """Gamma and beta, 1 and 0 where absent."""
    gamma = Constant(torch.ones(shape), role="weight")
    beta = Constant(torch.zeros(shape), role="bias")
    return [
        gamma if weight is None else c.parameter(weight, "weight"),
        beta if bias is None else c.parameter(bias, "bias"),
    ]


def batch_norm(
    c: Call,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand | None,
    variance: Operand | None,
    training: bool,
    momentum: float,
    eps: float,
    *_: object,
) -> Operand:
    """aten.batch_norm, whatever mode it was exported in."""
    del training
    c.need(
        mean is not None and variance is not None,
        "It has no running statistics: use track_running_stats=True, or GroupNorm.",
    )
    statistics = [c.parameter(mean, "mean"), c.parameter(variance, "variance")]
    affine = _affine(c, weight, bias, statistics[0].shape)
    return c.emit(ops.BatchNorm(eps, momentum), x, *affine, *statistics)


def batch_norm_inference(
    c: Call,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand,
    variance: Operand,
    momentum: float,
    eps: float,
) -> Operand:
    """aten._native_batch_norm_legit_no_training, of decomposed programs."""
    return batch_norm(c, x, weight, bias, mean, variance, False, momentum, eps)


def instance_norm(
    c: Call,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand | None,
    variance: Operand | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    *_: object,
) -> Operand:
    """aten.instance_norm: a GroupNorm with one channel a group, or with statistics a BatchNorm."""
    if not use_input_stats:
        return batch_norm(c, x, weight, bias, mean, variance, False, momentum, eps)
    return group_norm(c, x, x.shape[1], weight, bias, eps)


def layer_norm(
    c: Call,
    x: Operand,
    shape: Sequence[int],
    weight: Operand | None = None,
    bias: Operand | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Operand:
    """aten.layer_norm and aten.native_layer_norm."""
    op = ops.LayerNorm(len(shape), eps)
    return c.emit(op, x, *_affine(c, weight, bias, tuple(shape)))


def group_norm(
    c: Call,
    x: Operand,
    groups: int,
    weight: Operand | None = None,
    bias: Operand | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Operand:
    """aten.group_norm."""
    return c.emit(ops.GroupNorm(groups, eps), x, *_affine(c, weight, bias, x.shape[1:2]))


def native_group_norm(
    c: Call,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    _batch: int,
    _channels: int,
    _space: int,
    groups: int,
    eps: float,
) -> Operand:
    """aten.native_group_norm, of decomposed programs."""
    return group_norm(c, x, groups, weight, bias, eps)
