"""What each output of a layer is a product of: the layer as rows of weights times columns."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node
from intact.passes.channels import Layered

_PART = 1 << 23  # numbers that are unfolded at once: 32 MiB


def groups_of(op: FloatOp) -> int:
    """Into how many parts with inputs of their own a layer falls."""
    assert isinstance(op, Layered)
    return 1 if isinstance(op, ops.Linear) else op.groups


def as_rows(op: FloatOp, weight: Tensor) -> Tensor:
    """A weight in the layer's layout as (groups, rows, K), rows being outputs.

    A transposed convolution's is mirrored: it is a convolution of the spread input.
    """
    groups = groups_of(op)
    if isinstance(op, ops.ConvTranspose):
        parts = weight.reshape(groups, -1, *weight.shape[1:]).transpose(1, 2)
        return parts.flip(*range(3, parts.ndim)).reshape(groups, weight.shape[1], -1)
    return weight.reshape(groups, weight.shape[0] // groups, -1)


def unfolded(node: Node[FloatOp], x: Tensor, kernel: tuple[int, ...]) -> Iterator[Tensor]:
    """The layer's input as parts (groups, K, n), so that ``as_rows(weight) @ part`` are outputs.

    Args:
        node: A Conv or Linear.
        x: What it reads, with any number of samples.
        kernel: Its size; () of a Linear.
    """
    op = node.op
    if isinstance(op, ops.Linear):
        yield x.reshape(1, -1, x.shape[-1]).transpose(1, 2)
        return
    assert isinstance(op, ops.Conv)
    if all(size == 1 for size in kernel) and not any(map(any, op.padding)):
        for axis, step in enumerate(op.stride, start=2):
            x = x[(slice(None),) * axis + (slice(None, None, step),)]
        yield _grouped(x.flatten(2), op.groups)
        return
    positions = node.output.shape[2:]
    numbers = x.shape[1] * torch.Size(kernel).numel() * torch.Size(positions).numel()
    for part in torch.split(x, max(1, _PART // numbers)):
        yield _grouped(_columns(op, part, kernel), op.groups)


def _columns(op: ops.Conv, x: Tensor, kernel: tuple[int, ...]) -> Tensor:
    """(N, C * taps, positions)."""
    plane = len(kernel) == 2
    pads = [number for pair in reversed(op.padding) for number in pair]
    x = functional.pad(x, pads)
    if plane:
        return functional.unfold(x, kernel, op.dilation, 0, op.stride)
    return functional.unfold(x.unsqueeze(2), (1, *kernel), (1, *op.dilation), 0, (1, *op.stride))


def _grouped(x: Tensor, groups: int) -> Tensor:
    """(N, groups * K, L) → (groups, K, N * L)."""
    parts = x.reshape(x.shape[0], groups, -1, x.shape[2])
    return parts.permute(1, 2, 0, 3).reshape(groups, parts.shape[2], -1)
