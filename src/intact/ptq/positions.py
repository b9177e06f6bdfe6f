"""A layer's output at some positions as a product of matrices.

Where the output of a layer is compared with a target, a few thousand of its positions say as much
as all of them, and gathered they cost no convolution. For P positions, G groups and K weights of an
output channel,

    y (P, O) = x (G, P, K) @ as_rows(weight) (G, O/G, K) + bias,

where a transposed convolution's input has zeros between its pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor
from torch.nn import functional

from intact.ir import float_ops as ops
from intact.ir.float_ops import Pads
from intact.passes.channels import Layered


def product(x: Tensor, rows: Tensor) -> Tensor:
    """The output (P, O) without bias at positions whose inputs are `x`."""
    y = torch.bmm(x, rows.transpose(1, 2))  # (G, P, O/G)
    return y.permute(1, 0, 2).reshape(x.shape[1], -1)


class Positions:
    """Positions of a layer's output, drawn among all; a layer of few has them all.

    Args:
        op: The layer.
        weight: Shape of its weight.
        x: The layer's input, or one of the same shape.
        wanted: How many positions there shall be at most.
        generator: Of the random numbers.
    """

    def __init__(
        self, op: Layered, weight: Sequence[int], x: Tensor, wanted: int, generator: torch.Generator
    ) -> None:
        self._window = _window(op, tuple(weight[2:]))
        shape = self._window.positions(self._window.spread(x))
        drawn = torch.arange(math.prod(shape))
        if wanted < len(drawn):
            drawn = torch.randint(len(drawn), (wanted,), generator=generator)
        self._indices = torch.unravel_index(drawn, shape)

    def inputs(self, x: Tensor) -> Tensor:
        """What the positions depend on (G, P, K)."""
        return self._window.patches(self._window.spread(x), self._indices)


@dataclass(frozen=True, slots=True)
class _Window:
    """What an output position reads of the channels-last, padded input."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: Pads
    groups: int
    gaps: tuple[int, ...]  # distance of the input's pixels after spreading them
    last: bool = False  # channels are the input's last axis already

    def spread(self, x: Tensor) -> Tensor:
        """The input (N, *space, C), padded and with zeros between its pixels."""
        if self.last:
            return x.reshape(-1, x.shape[-1])
        if any(gap > 1 for gap in self.gaps):
            sizes = [(n - 1) * gap + 1 for n, gap in zip(x.shape[2:], self.gaps, strict=True)]
            wide = x.new_zeros(*x.shape[:2], *sizes)
            wide[:, :, *(slice(None, None, gap) for gap in self.gaps)] = x
            x = wide
        flat = [number for pair in reversed(self.pads) for number in pair]
        return functional.pad(x, flat).movedim(1, -1)

    def positions(self, x: Tensor) -> tuple[int, ...]:
        """How many there are along each axis."""
        space = (
            (size - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, dilation in zip(
                x.shape[1:-1], self.kernel, self.stride, self.dilation, strict=True
            )
        )
        return (len(x), *space)

    def patches(self, x: Tensor, indices: Sequence[Tensor]) -> Tensor:
        """The inputs (G, P, K) of some positions."""
        axes = len(self.kernel)
        taps = [
            (indices[1 + axis] * self.stride[axis]).reshape(-1, *(1,) * axes)
            + (torch.arange(self.kernel[axis]) * self.dilation[axis]).reshape(
                *(-1 if axis == other else 1 for other in range(axes))
            )
            for axis in range(axes)
        ]
        found = x[indices[0].reshape(-1, *(1,) * axes), *taps]  # (P, *kernel, C)
        found = found.reshape(len(found), -1, self.groups, found.shape[-1] // self.groups)
        return found.permute(2, 0, 3, 1).reshape(self.groups, len(found), -1)


def _window(op: Layered, kernel: tuple[int, ...]) -> _Window:
    match op:
        case ops.Linear():
            return _Window((), (), (), (), 1, (), last=True)
        case ops.Conv(stride, padding, dilation, groups):
            return _Window(kernel, stride, dilation, padding, groups, (1,) * len(kernel))
        case ops.ConvTranspose(stride, padding, output_padding, dilation, groups):
            reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
            pads = tuple(
                (far - before, far - after + more)
                for far, (before, after), more in zip(reach, padding, output_padding, strict=True)
            )
            return _Window(kernel, (1,) * len(kernel), dilation, pads, groups, stride)
        case _:
            assert_never(op)
