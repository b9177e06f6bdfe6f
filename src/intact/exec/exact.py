"""Sums of integer products by floating-point matrix multiplication, exactly.

Where no partial sum can reach 2**24, float32 holds every one of them, whatever the order of the
additions and with or without fused multiply-add; float64 does so below 2**53.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from intact.exec.requantize import Finish
from intact.ir.graph import Value
from intact.numerics.arrays import Array, IntArray
from intact.numerics.formats import Int

Kernel: TypeAlias = Callable[..., Array]

_BLOCK = 1 << 18  # elements of the operands of one matrix product


def code_range(value: Value) -> tuple[int, int]:
    """Lowest and highest code of a value.

    Raises:
        ValueError: if the value holds real numbers.
    """
    if not isinstance(value.dtype, Int):
        raise ValueError(f'"{value.name}" is {value.dtype}; an integer operation reads codes')
    return value.dtype.qmin, value.dtype.qmax


def reach(value: Value, zero_point: int = 0) -> int:
    """Largest |code - zero_point|."""
    low, high = code_range(value)
    return max(high - zero_point, zero_point - low)


def exact_dtype(largest_sum: int) -> np.dtype[np.generic]:
    """The fastest dtype in which sums of products up to this size are exact."""
    if largest_sum < 1 << 24:
        return np.dtype(np.float32)
    return np.dtype(np.float64 if largest_sum < 1 << 53 else np.int64)


def largest_sum(rows: IntArray, largest_input: int) -> int:
    """Bound of every partial sum of rows (O, K) times inputs, whatever the order."""
    return int(np.abs(rows).sum(axis=1).max(initial=0)) * largest_input


def multiply_rows(x: Array, matrix: Array, finish: Finish, out: Array) -> None:
    """Out (P, O) = finish(x (P, K) @ matrix (K, O)), block by block."""
    depth, channels = matrix.shape
    step = max(64, _BLOCK // max(1, depth + channels))
    for start in range(0, len(x), step):
        rows = x[start : start + step].astype(matrix.dtype)
        finish(rows @ matrix, out[start : start + step])
