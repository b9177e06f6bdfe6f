"""Sizes of a torch.export program as dimensions of a Graph: -k is k times the batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from intact.errors import UnsupportedOpError
from intact.ir.graph import Shape
from intact.numerics.formats import FP32, Format, Int

Size: TypeAlias = int | torch.SymInt

_BATCHES = (2, 3, 5, 7)  # a size is k * batch if it is at all of these
_INTEGERS: dict[torch.dtype, Int] = {
    torch.int64: Int(64),
    torch.int32: Int(32),
    torch.int16: Int(16),
    torch.int8: Int(8),
    torch.uint8: Int(8, signed=False),
    torch.bool: Int(1, signed=False),
}


@dataclass(frozen=True, slots=True)
class Dims:
    """Knows which symbol is the batch size; None: every size is fixed."""

    batch: object  # sympy's

    def dim(self, size: Size) -> int:
        """The size, or -k for k times the batch.

        Raises:
            UnsupportedOpError: if it is neither, as batch + 1, or depends on another symbol.
        """
        if isinstance(size, int):
            return size
        expression = size.node.expr
        sizes: list[int] = []
        if expression.free_symbols <= {self.batch}:
            sizes = [int(expression.subs({self.batch: batch})) for batch in _BATCHES]
        ratios = {size / batch for size, batch in zip(sizes, _BATCHES, strict=False)}
        if len(set(sizes)) == 1:
            return sizes[0]
        if len(ratios) == 1 and (ratio := ratios.pop()) == int(ratio):
            return -int(ratio)
        raise UnsupportedOpError(
            f"a dimension of size {expression} is not supported: only the batch axis may vary,"
            " and sizes are constants or multiples of it. Export the model with the other sizes"
            " fixed."
        )

    def shape(self, sizes: Sequence[Size]) -> Shape:
        """A shape; see `dim`."""
        return tuple(self.dim(size) for size in sizes)


def format_of(tensor: Tensor) -> Format:
    """The format of a torch tensor; every floating dtype is captured as FP32.

    Raises:
        UnsupportedOpError: for complex and other exotic dtypes.
    """
    if tensor.dtype.is_floating_point:
        return FP32
    if tensor.dtype not in _INTEGERS:
        raise UnsupportedOpError(f"tensors of {tensor.dtype} are not supported; use float32")
    return _INTEGERS[tensor.dtype]
