import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.errors import CalibrationError
from intact.metrics import Comparison, Top1, compare, paired_difference, top1, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_newcombes(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_paired_difference_by_hand() -> None:
    # b' = 10.5, c' = 4.5, n' = 102: d = 6 / 102, half = z sqrt(15 - 36 / 102) / 102
    half = 1.959963984540054 * math.sqrt(15 - 36 / 102) / 102
    assert paired_difference(10, 4, 100) == pytest.approx((6 / 102 - half, 6 / 102 + half))


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_hold_the_share(counts: tuple[int, int]) -> None:
    successes, trials = counts
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1


def test_top1_and_comparison_by_hand() -> None:
    outputs = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    reference = np.array([[2.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    targets = np.array([0, 1, 1])
    assert top1(outputs, targets) == Top1(3, 2)
    comparison = compare(outputs, reference, targets)
    assert comparison == Comparison(3, 2, 1, 0, signal=14.0, noise=6.0)
    assert comparison.sqnr_db == pytest.approx(10 * math.log10(14 / 6))
    assert comparison.difference == pytest.approx(1 / 3)
    assert compare(outputs, outputs).sqnr_db == math.inf


@given(st.integers(0, 10), st.integers(0, 2**32 - 1))
def test_tallies_add_up(cut: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    outputs, reference = generator.normal(size=(2, 10, 3))
    targets = generator.integers(0, 3, 10)
    parts = [slice(cut), slice(cut, None)]
    tops = [top1(outputs[p], targets[p]) for p in parts]
    assert tops[0] + tops[1] == top1(outputs, targets)
    both = [compare(outputs[p], reference[p], targets[p]) for p in parts]
    whole, added = compare(outputs, reference, targets), both[0] + both[1]
    assert (added.agree, added.only_first) == (whole.agree, whole.only_first)
    assert added.sqnr_db == pytest.approx(whole.sqnr_db)


def test_labels_out_of_range_are_named() -> None:
    for label in (-1, 2):
        with pytest.raises(CalibrationError, match=f"label {label} is out of range.*2 outputs"):
            top1(np.zeros((1, 2)), np.array([label]))


def test_top1_needs_a_classifier() -> None:
    with pytest.raises(CalibrationError, match="classifier"):
        top1(np.zeros((1, 2, 3)), np.array([0]))
    with pytest.raises(CalibrationError, match="differ in shape"):
        compare(np.zeros((1, 2)), np.zeros((1, 3)))
