"""Counts that do not depend on order, and what is computed from them."""

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.observers.histogram import SIDE, Histogram
from intact.observers.mse import _Error

_NUMBERS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1)


def _histogram(*batches: list[float]) -> Histogram:
    histogram = Histogram()
    for batch in batches:
        histogram.add(torch.tensor(batch, dtype=torch.float32))
    return histogram


def _same(a: Histogram, b: Histogram) -> bool:
    fields = ("exponent", "zeros", "low", "high")
    return np.array_equal(a.counts, b.counts) and all(
        getattr(a, name) == getattr(b, name) for name in fields
    )


def test_bins_are_where_the_numbers_are():
    histogram = _histogram([0.0, -0.0, 1.0, 1.5, -3.9999])
    assert histogram.width == 4 / SIDE
    assert histogram.zeros == 2
    found = np.flatnonzero(histogram.counts) - (SIDE - 1)
    assert found.tolist() == [1 - SIDE, 0, SIDE // 4, SIDE * 3 // 8]
    assert histogram.counts.sum() == histogram.total == 5


@given(_NUMBERS, _NUMBERS)
def test_the_order_of_the_numbers_does_not_matter(first, second):
    together = _histogram(first + second)
    assert _same(_histogram(first, second), together)
    assert _same(_histogram(second, first), together)
    assert _same(_histogram(first).merge(_histogram(second)), together)


@given(_NUMBERS)
def test_numbers_lie_between_the_edges_of_their_bins(numbers):
    histogram = _histogram(numbers)
    below, above = histogram.edges
    used = histogram.counts > 0
    for number in numbers:
        assert ((below[used] <= number) & (number <= above[used])).any()


def test_the_error_of_even_numbers_is_exact():
    """Numbers evenly spread over each bin: the formula equals the sum over the numbers."""
    x = (torch.arange(-3 * SIDE * 8, 2 * SIDE * 8) + 0.5) / (8 * SIDE)
    histogram = _histogram(x.tolist())
    params = QuantParams(Int(4), np.float32(0.21), np.asarray(2))  # -2.1 .. 1.05: clips one end
    error = params.dequantize(params.quantize(x.numpy())) - x.numpy()
    assert math.isclose(_Error(histogram)(params), np.sum(error**2, dtype=np.float64), rel_tol=1e-3)
