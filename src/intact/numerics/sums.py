"""What the sums of a layer can be, and where a function of them steps from code to code."""

from collections.abc import Callable

import numpy as np

from intact.numerics.arrays import IntArray
from intact.numerics.fixedpoint import Int64Array


def reached_sums(
    weight: IntArray, bias: IntArray, inputs: tuple[int, int]
) -> tuple[Int64Array, Int64Array]:
    """The lowest and the highest sum of each channel, (O,).

    Sums of weight (O, ...) times inputs from the one to the other, and bias (O,).
    """
    rows = weight.reshape(len(weight), -1)
    positive, negative = np.maximum(rows, 0).sum(axis=1), np.minimum(rows, 0).sum(axis=1)
    lowest, highest = inputs
    offset = bias.astype(np.int64)
    return (
        offset + positive * lowest + negative * highest,
        offset + positive * highest + negative * lowest,
    )


def least_sums(
    code_of: Callable[[Int64Array], Int64Array],
    codes: Int64Array,
    low: IntArray | int,
    high: IntArray | int,
) -> Int64Array:
    """The least sum of (low, high] that `code_of`, which never falls, takes to each code or above.

    `high` for codes that it does not reach; some sum for those that it has at `low` already. The
    bounds broadcast with the codes.
    """
    shape = np.broadcast_shapes(codes.shape, np.shape(low), np.shape(high))
    below, reaching = (np.broadcast_to(np.asarray(end, np.int64), shape) for end in (low, high))
    while (reaching - below > 1).any():
        middle = (below + reaching) >> 1
        enough = code_of(middle) >= codes
        reaching, below = np.where(enough, middle, reaching), np.where(enough, below, middle)
    return reaching
