"""What weight codes count for in an integer accumulator."""

import numpy as np

from intact.numerics.arrays import Codes
from intact.numerics.fixedpoint import Int64Array
from intact.numerics.formats import Format, integer_grid


def weight_integers(codes: Codes, format: Format, zero_point: tuple[int, ...] | None) -> Int64Array:
    """What weight codes count for (arithmetic.md, eq. 5), less the zero point of each axis-0 row.

    Raises:
        ValueError: if the format has no integers.
    """
    grid = integer_grid(format)
    if grid is None:
        raise ValueError(f"weights in {format} have no integers")
    known = format.codes().astype(np.int64)
    lowest = int(known.min())
    table = np.zeros(int(known.max()) - lowest + 1, np.int64)
    table[known - lowest] = grid[0]
    integers = table[codes.astype(np.int64) - lowest]
    if zero_point is not None:
        integers = integers - np.asarray(zero_point).reshape(-1, *(1,) * (codes.ndim - 1))
    return np.asarray(integers, np.int64)
