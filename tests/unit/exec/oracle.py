"""The integer operations on unbounded Python integers, one number at a time."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
from hypothesis import strategies as st

from intact.exec.reference import prepare
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp
from intact.numerics.fixedpoint import INT32_MAX, INT32_MIN, Requant, quantize_multiplier
from intact.numerics.formats import FP32, Format, Int

INT8 = Int(8)


def clamp(x: int, low: int, high: int) -> int:
    return min(max(x, low), high)


def round_half_away(x: float) -> int:
    magnitude = (2 * abs(Fraction(x)) + 1) // 2
    return int(magnitude if x >= 0 else -magnitude)


def multiply(x: int, multiplier: int, shift: int) -> int:
    """Eq. 13: gemmlowp's two roundings."""
    x = clamp(x << max(shift, 0), INT32_MIN, INT32_MAX)
    high = (x * multiplier + (1 << 30)) >> 31
    right = max(-shift, 0)
    magnitude = (abs(high) + ((1 << right) >> 1)) >> right
    return magnitude if high >= 0 else -magnitude


def multiply_wide(x: int, multiplier: int, shift: int) -> int:
    """Eq. 14."""
    reduced = min((multiplier + (1 << 15)) >> 16, (1 << 15) - 1)
    return (x * reduced + (1 << (14 - shift))) >> (15 - shift)


def requantized(requant: Requant, acc: int, channel: int) -> int:
    """Eq. 15."""

    def entry(vector: np.ndarray) -> int:
        return int(vector[channel if vector.size > 1 else 0])

    apply = multiply_wide if requant.accumulator_bits == 64 else multiply
    scaled = apply(acc, entry(requant.multiplier), entry(requant.shift)) + requant.zero_point
    return clamp(scaled, entry(requant.qmin), entry(requant.qmax))


def requantized_array(requant: Requant, acc: np.ndarray) -> np.ndarray:
    """Eq. 15 of an object or integer array; channels last."""
    out = np.empty(acc.shape, np.int64)
    for index in product(*map(range, acc.shape)):
        out[index] = requantized(requant, int(acc[index]), index[-1])
    return out


def requant(
    real: float | Sequence[float], output: Format, zero_point: int = 0, bits: int = 32
) -> Requant:
    """Requant of real multipliers to all codes of an Int."""
    multiplier, shift = quantize_multiplier(np.atleast_1d(np.asarray(real, np.float64)))
    assert isinstance(output, Int)
    limits = np.array([output.qmin]), np.array([output.qmax])
    return Requant(multiplier, shift, zero_point, *limits, 64 if bits == 64 else 32)


def node(op: IntOp, inputs: Sequence[tuple[Format, tuple[int, ...]]], out: Format | None) -> Node:
    """A node on values of these formats and shapes; `out` None: real."""
    values = tuple(Value(f"x{i}", shape, format) for i, (format, shape) in enumerate(inputs))
    return Node(op, values, Value("y", values[0].shape, FP32 if out is None else out))


def run_node(node: Node, inputs: Sequence[np.ndarray], batch: int = 1) -> np.ndarray:
    """What the reference executor makes of one node."""
    return prepare(node, {})(inputs, batch)


def draw_codes(
    rng: np.random.Generator, shape: tuple[int, ...], format: Format = INT8
) -> np.ndarray:
    """Codes of a format, ends included more often than by chance."""
    codes = format.codes()
    drawn = rng.choice(codes, shape)
    return np.where(rng.random(shape) < 0.1, rng.choice(codes[[0, -1]], shape), drawn).astype(
        format.storage
    )


seeds = st.integers(0, 2**32 - 1)
