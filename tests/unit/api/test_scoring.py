"""Paired scores: intervals, early stops and what is refused."""

import numpy as np
import pytest

import intact
from intact.api.engine import Engine
from intact.api.network import Attempt, Validation, within
from intact.api.scoring import (
    Measured,
    Reference,
    ScoredSamples,
    judge_float,
    judge_quantized,
)
from intact.ir.graph import Value
from intact.metrics import paired_difference, paired_interval
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32


def engine(wrong: int = 0) -> Engine:
    """Outputs two classes, wrong for the samples whose number is below `wrong`; counts samples."""

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        right = arrays[0][:, :1] >= wrong
        return (np.concatenate([~right, right], axis=1).astype(np.float32),)

    return Engine((Value("x", (-1, 1), FP32),), run)


def samples(count: int, size: int = 8) -> ScoredSamples:
    x = np.arange(count, dtype=np.float32)[:, None]
    ones = np.ones(count, int)
    return ScoredSamples([(x[i : i + size], ones[i : i + size]) for i in range(0, count, size)])


def measured(judge: ScoredSamples, wrong: int, max_drop: float | None) -> tuple[Measured, int]:
    seen = 0

    def count(samples: int) -> None:
        nonlocal seen
        seen = samples

    reference = judge_float(judge, engine(), count)
    assert (reference.metric, seen) == (1.0, sum(len(x) for x, _ in judge.batches))  # type: ignore[attr-defined]
    found = judge_quantized(
        judge, engine(wrong), reference, count, max_drop=max_drop, name="quantized"
    )
    return found, seen


def test_all_samples_of_a_good_network_are_scored() -> None:
    found, seen = measured(samples(100), 1, 0.01)
    assert found == Measured(0.99, paired_difference(1, 0, 100), 100, True)
    assert seen == 100


def test_a_hopeless_network_is_given_up_after_the_first_look() -> None:
    found, seen = measured(samples(400), 20, 0.01)
    assert seen == found.samples == 32
    assert not found.whole
    assert found.metric == pytest.approx(1 - 20 / 32)
    assert found.interval == paired_difference(20, 0, 32)
    assert measured(samples(400), 20, None)[1] == 400


def test_looks_are_after_twice_as_many_samples() -> None:
    # With 1 in 8 wrong, 32 and 64 samples leave a drop of 1 % possible, 128 do not.
    judge = ScoredSamples(samples(400).batches, lambda _, y: 1.0 - np.isin(np.arange(len(y)), 0))
    reference = Reference(1.0, np.ones(400))
    found = judge_quantized(judge, engine(), reference, lambda _: None, max_drop=0.01, name="q")
    assert (found.samples, found.whole) == (128, False)


def test_real_scores_have_the_interval_of_the_mean_difference() -> None:
    first, second = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 2.0, 2.0, 3.5])
    low, high = paired_interval(first, second)
    half = 1.959963984540054 * np.std([0.5, 0, 1, 0.5], ddof=1) / 2
    assert (low, high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))
    assert paired_interval(first[:1], second[:1]) == (-np.inf, np.inf)
    shares = np.array([1.0, 0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, 0.0])
    assert paired_interval(*shares) == paired_difference(2, 1, 4)


def test_functions_may_give_a_number_or_scores() -> None:
    reference = judge_float(lambda _: np.array([1.0, 0.0]), engine(), lambda _: None)
    assert reference.metric == 0.5
    found = judge_quantized(
        lambda _: [1, 1], engine(), reference, lambda _: None, max_drop=0.0, name="q"
    )
    assert found == Measured(1.0, paired_difference(0, 1, 2), 2, True)
    for bad in (0.5, [1.0], None, [np.nan, 1.0], [[1.0, 1.0]]):
        with pytest.raises(ValueError, match="validate returned"):
            judge_quantized(
                lambda _, bad=bad: bad, engine(), reference, lambda _: None,  # type: ignore[misc]
                max_drop=0.0, name="q",
            )  # fmt: skip


def test_what_is_no_set_of_scored_samples_is_refused() -> None:
    x = np.zeros((4, 1), np.float32)
    with pytest.raises(ValueError, match="read several times"):
        ScoredSamples(iter([]))
    for judge, message in (
        (ScoredSamples([]), "no samples"),
        (ScoredSamples([x]), "batch 0 has no target"),
        (ScoredSamples([(x, x)], lambda *_: np.zeros(3)), "one finite number a sample"),
        (ScoredSamples([(x, x)], lambda *_: np.full(4, np.inf)), "one finite number a sample"),
    ):
        with pytest.raises(ValueError, match=message):
            judge_float(judge, engine(), lambda _: None)
    with pytest.raises(intact.CalibrationError, match="out of range"):
        judge_float(ScoredSamples([(x, np.full(4, 7))]), engine(), lambda _: None)


def test_hashes_tell_samples_targets_and_scores_apart() -> None:
    x, y = np.zeros((2, 1), np.float32), np.array([0, 1])
    hashes = {
        ScoredSamples([(x, y)]).sha256(1),
        ScoredSamples([(x + 1, y)]).sha256(1),
        ScoredSamples([(x, 1 - y)]).sha256(1),
        ScoredSamples([(x, y)], lambda outputs, _: outputs[:, 0]).sha256(1),
    }
    assert len(hashes) == 4
    assert ScoredSamples([(x, y)]).sha256(1) in hashes


def test_a_budget_is_met_by_the_measured_drop_and_certain_by_its_interval() -> None:
    def said(drop: float, interval: tuple[float, float] | None) -> tuple[bool, bool]:
        attempt = Attempt("r", 0.77 - drop, interval=interval)
        found = Validation(0.77, 0.77 - drop, 0.01, (attempt,))
        return found.met, found.certain

    assert said(0.01, (0.0, 0.03)) == (True, False)
    assert said(0.005, (0.0, 0.01)) == (True, True)
    assert said(0.02, (0.0, 0.04)) == (False, False)
    assert said(0.02, (0.011, 0.04)) == (False, True)
    assert said(0.02, None) == (False, True)
    assert within(0.77 - 0.76, 0.01)
