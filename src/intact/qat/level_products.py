"""Products of whole numbers in floating point, exact on any device."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torch.nn.grad import conv2d_input, conv2d_weight

from intact.ir import float_ops as ops
from intact.qat.levels import Levels
from intact.qat.products import Layer, Operand

_EXACT = 1 << 24  # float32 holds the whole numbers up to this


class LevelProducts:
    """The definition that `IntegerProducts` equals."""

    def __init__(self, op: Layer) -> None:
        self._op = op

    def operand(self, levels: Levels) -> Operand:
        """As it is; images channels last, as the engine's, so that all later sums are the same."""
        if isinstance(self._op, ops.Linear):
            return Operand(levels.values, levels.steps)
        return Operand(levels.values.contiguous(memory_format=torch.channels_last), levels.steps)

    def forward(self, x: Operand, weight: Operand) -> Tensor:
        """Sums of x w^T."""
        depth = weight.values[0].numel()
        if isinstance(self._op, ops.Linear):
            return _exact(depth, x, weight, lambda a, b: a @ b.t())
        return _exact(depth, x, weight, lambda a, b: conv2d(a, b, None, *_settings(self._op)))

    def input_gradient(self, g: Operand, weight: Operand, shape: tuple[int, ...]) -> Tensor:
        """Sums of g w."""
        depth = weight.values[:, 0].numel()
        if isinstance(self._op, ops.Linear):
            return _exact(depth, g, weight, lambda a, b: a @ b)
        return _exact(
            depth, g, weight, lambda a, b: convolution_input_gradient(self._op, a, b, shape)
        )

    def weight_gradient(self, g: Operand, x: Operand, shape: tuple[int, ...]) -> Tensor:
        """Sums of g^T x."""
        depth = g.values.numel() // shape[0]
        if isinstance(self._op, ops.Linear):
            return _exact(depth, g, x, lambda a, b: a.flatten(0, -2).t() @ b.flatten(0, -2))
        return _exact(depth, g, x, lambda a, b: convolution_weight_gradient(self._op, a, b, shape))


def convolution_input_gradient(
    op: Layer, g: Tensor, weight: Tensor, shape: tuple[int, ...]
) -> Tensor:
    """The gradient of x."""
    found: Tensor = conv2d_input(shape, weight, g, *_settings(op))  # type: ignore[no-untyped-call]
    return found


def convolution_weight_gradient(op: Layer, g: Tensor, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The gradient of the weight."""
    found: Tensor = conv2d_weight(x, shape, g, *_settings(op))  # type: ignore[no-untyped-call]
    return found


def _settings(op: Layer) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Stride, padding and dilation as torch takes them."""
    assert isinstance(op, ops.Conv)
    return op.stride, tuple(before for before, _ in op.padding), op.dilation


def _exact(
    depth: int, a: Operand, b: Operand, multiply: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Whole numbers, whatever the algorithm: Winograd's are off by a little."""
    below = depth * a.steps.reach * b.steps.reach < _EXACT
    dtype = torch.float32 if below else torch.float64
    with torch.autocast(a.values.device.type, enabled=False):
        return multiply(a.values.to(dtype), b.values.to(dtype)).round_()
