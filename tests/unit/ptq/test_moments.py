"""Means and deviations of clipped normal variables."""

import numpy as np
import pytest

from intact.ptq.moments import clipped_normal, normal

# (mean, deviation, upper bound) and E[clip(x, 0, bound)]
_EXPECTED = [
    (0, 1, np.inf, 0.398942),
    (1, 2, np.inf, 1.395593),
    (-1, 0.5, np.inf, 0.004245),
    (1, 2, 6, 1.391585),
    (5, 3, 6, 4.296771),
]


@pytest.mark.parametrize(("mean", "deviation", "bound", "expected"), _EXPECTED)
def test_mean_of_a_clipped_normal(
    mean: float, deviation: float, bound: float, expected: float
) -> None:
    found, _ = clipped_normal(mean, deviation, 0.0, bound)
    assert float(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("mean", "deviation", "low", "high"),
    [
        (0.0, 1.0, 0.0, np.inf),
        (1.0, 2.0, 0.0, 6.0),
        (-1.0, 3.0, -2.0, 0.5),
        (2.0, 1.0, -np.inf, 2.5),
    ],
)
def test_moments_are_the_integrals(mean: float, deviation: float, low: float, high: float) -> None:
    grid = np.linspace(-10, 10, 200_001)
    weights = np.exp(-(grid**2) / 2)
    weights /= weights.sum()
    values = np.clip(mean + deviation * grid, low, high)
    first = values @ weights
    second = np.sqrt(values**2 @ weights - first**2)
    np.testing.assert_allclose(clipped_normal(mean, deviation, low, high), (first, second), 1e-5)


def test_without_bounds_a_normal_keeps_its_moments() -> None:
    assert clipped_normal(1.5, 0.5, -np.inf, np.inf) == (1.5, 0.5)


def test_a_constant_is_clipped_itself() -> None:
    mean, deviation = clipped_normal(np.array([3.0, -2.0, 8.0]), np.zeros(3), 0.0, 6.0)
    np.testing.assert_allclose(mean, [3, 0, 6])
    np.testing.assert_allclose(deviation, 0, atol=1e-6)


def test_a_far_bound_is_no_bound() -> None:
    np.testing.assert_allclose(
        clipped_normal(1.0, 2.0, 0.0, 1e9), clipped_normal(1.0, 2.0, 0.0, np.inf)
    )


def test_ranges_are_cut_with_the_numbers() -> None:
    x = normal(1, np.array([0.0, 4.0, -9.0]), np.array([1.0, 0.5, 1.0]), 6.0)
    assert x.range == (-15.0, 7.0)
    assert x.clipped(0.0, np.inf).range == (0.0, 7.0)
    assert x.clipped(0.0, np.array([6.0, 5.0, 6.0])).range == (0.0, 6.0)


def test_other_functions_are_summed() -> None:
    x = normal(1, np.array([0.0, 1.0]), np.array([1.0, 2.0]), 6.0)
    relu, clipped = x.of(lambda numbers: np.maximum(numbers, 0)), x.clipped(0.0, np.inf)
    np.testing.assert_allclose(relu.mean, clipped.mean, rtol=1e-3)
    np.testing.assert_allclose(relu.deviation, clipped.deviation, rtol=1e-3)
    assert relu.range == clipped.range
