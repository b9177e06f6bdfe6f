"""Products of whole numbers as 8-bit codes, by the native engine."""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from intact.exec.native.library import native
from intact.ir import float_ops as ops
from intact.qat.levels import Levels
from intact.qat.products import Operand


class LinearIntegers:
    """The products of a linear layer."""

    def operand(self, levels: Levels) -> Operand:
        """As codes."""
        return _codes(levels, levels.values, channels_last=False)

    def forward(self, x: Operand, weight: Operand) -> Tensor:
        """Sums of x w^T."""
        sums = _sums((*x.values.shape[:-1], len(weight.values)))
        _multiply(x, False, weight, True, sums)
        return sums

    def input_gradient(self, g: Operand, weight: Operand, shape: tuple[int, ...]) -> Tensor:
        """Sums of g w."""
        sums = _sums(shape)
        _multiply(g, False, weight, False, sums)
        return sums

    def weight_gradient(self, g: Operand, x: Operand, shape: tuple[int, ...]) -> Tensor:
        """Sums of g^T x."""
        sums = _sums(shape)
        _multiply(g, True, x, False, sums)
        return sums


class ConvolutionIntegers:
    """The products of a convolution; its patches are matrices."""

    def __init__(self, op: ops.Conv) -> None:
        self._op = op
        self._window = native.Window(op.stride, op.padding, op.dilation, op.groups)

    def operand(self, levels: Levels) -> Operand:
        """As codes."""
        return _codes(levels, levels.values.permute(0, 2, 3, 1), channels_last=True)

    def forward(self, x: Operand, weight: Operand) -> Tensor:
        """Sums of x w^T."""
        count, *image, _ = x.values.shape
        outputs, *kernel, _ = weight.values.shape
        size = [
            (n + before + behind - step * (k - 1) - 1) // stride + 1
            for n, k, (before, behind), step, stride in zip(
                image, kernel, self._op.padding, self._op.dilation, self._op.stride, strict=True
            )
        ]
        sums = _sums((count, *size, outputs))
        codes, weights = _array(x.values), _array(weight.values)
        _products().convolve(self._window, codes, x.zero_point, weights, sums.numpy())
        return sums.permute(0, 3, 1, 2)

    def input_gradient(self, g: Operand, weight: Operand, shape: tuple[int, ...]) -> Tensor:
        """Sums of g w."""
        count, channels, *image = shape
        sums = _sums((count, *image, channels))
        gradients, weights = _array(g.values), _array(weight.values)
        _products().convolve_input(self._window, gradients, weights, sums.numpy())
        return sums.permute(0, 3, 1, 2)

    def weight_gradient(self, g: Operand, x: Operand, shape: tuple[int, ...]) -> Tensor:
        """Sums of g^T x."""
        outputs, channels, *kernel = shape
        sums = _sums((outputs, *kernel, channels))
        gradients, codes = _array(g.values), _array(x.values)
        _products().convolve_weight(self._window, gradients, codes, x.zero_point, sums.numpy())
        return sums.permute(0, 3, 1, 2)


def _codes(levels: Levels, values: Tensor, *, channels_last: bool) -> Operand:
    zero_point = min(0, 127 - levels.steps.high) + max(0, -128 - levels.steps.low)
    shifted = values + zero_point if zero_point else values
    return Operand(shifted.to(torch.int8).contiguous(), levels.steps, zero_point, channels_last)


def _sums(shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape, dtype=torch.int32)


def _multiply(a: Operand, a_transposed: bool, b: Operand, b_transposed: bool, sums: Tensor) -> None:
    _products().multiply(
        _rows(a), a.zero_point, a_transposed, _rows(b), b.zero_point, b_transposed,
        sums.flatten(0, -2).numpy(),
    )  # fmt: skip


def _rows(operand: Operand) -> NDArray[np.int8]:
    return _array(operand.values.flatten(0, -2))


def _array(codes: Tensor) -> NDArray[np.int8]:
    found: NDArray[np.int8] = codes.numpy()
    return found


def _products() -> native.Products:
    return _with_threads(torch.get_num_threads(), native.best_isa())


@cache
def _with_threads(threads: int, isa: native.Isa) -> native.Products:
    return native.Products(threads, isa)
