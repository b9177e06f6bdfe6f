"""Strided grids, as intact_grid.h has them, made when the code is written."""

from collections.abc import Sequence
from dataclasses import dataclass

from intact.emit.c.declarations import Initializer
from intact.ir.graph import Shape


@dataclass(frozen=True, slots=True)
class Grid:
    """Sizes of axes, and how far each of two operands moves along them."""

    shape: Shape
    strides: tuple[tuple[int, ...], tuple[int, ...]]

    def merged(self) -> "Grid":
        """Axes of size 1 dropped, and neighbours joined that both operands walk as one."""
        axes: list[tuple[int, int, int]] = []
        for size, a, b in zip(self.shape, *self.strides, strict=True):
            if size == 1:
                continue
            if axes and axes[-1][1:] == (size * a, size * b):
                axes[-1] = (axes[-1][0] * size, a, b)
            else:
                axes.append((size, a, b))
        shape, first, second = zip(*(axes or [(1, 0, 0)]), strict=True)
        return Grid(shape, (first, second))

    def fields(self) -> dict[str, Initializer]:
        """Of an intact_grid."""
        return {"rank": len(self.shape), "shape": self.shape, "stride": self.strides}


def contiguous(shape: Sequence[int], unit: int = 1) -> tuple[int, ...]:
    """Strides of a row-major array whose elements are `unit` apart."""
    strides = []
    for size in reversed(shape):
        strides.append(unit)
        unit *= size
    return tuple(reversed(strides))


def broadcast(a: Shape, b: Shape) -> Grid:
    """How two operands broadcast, axes aligned at the end (intact_broadcast)."""
    rank = max(len(a), len(b))
    a, b = ((1,) * (rank - len(shape)) + shape for shape in (a, b))
    shape = tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))
    first, second = (
        tuple(0 if size == 1 else stride for size, stride in zip(x, contiguous(x), strict=True))
        for x in (a, b)
    )
    return Grid(shape, (first, second)).merged()


def selection(shape: Shape, strides: Sequence[int], axes: Sequence[int]) -> Grid:
    """Some axes of an array, merged."""
    kept = tuple(strides[axis] for axis in axes)
    return Grid(tuple(shape[axis] for axis in axes), (kept, (0,) * len(axes))).merged()
