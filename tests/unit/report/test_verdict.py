import pytest

from intact.report.contents import Accuracy, Latency, Outputs, Size
from intact.report.verdict import verdict

SIZE = Size(stored_bytes=100, float_bytes=400, arena_bytes=10, macs=1)


def accuracy(
    difference: float | None,
    interval: tuple[float, float] | None = None,
    max_drop: float | None = None,
) -> Accuracy:
    original = None if difference is None else 0.8
    return Accuracy("top-1", 200, original, 0.8, None, difference, interval, max_drop)


@pytest.mark.parametrize(
    ("measured", "state", "words"),
    [
        (accuracy(-0.02, max_drop=0.03), "kept", "within the budget of 3.00 points"),
        (accuracy(-0.04, max_drop=0.03), "lost", "more than the budget of 3.00 points"),
        (accuracy(-0.02, (-0.05, 0.01)), "kept", "no significant change on 200 samples"),
        (accuracy(-0.02, (-0.03, -0.01)), "reduced", "falls by 2.00 points"),
        (accuracy(-0.2, (-0.5, 0.1)), "lost", "falls by 20.00 points"),  # too few to tell
        (accuracy(-0.009, (-0.01, -0.005)), "kept", "falls by 0.90 points"),
        (accuracy(0.01), "kept", "rises by 1.00 points"),
        (accuracy(0.0), "kept", "is unchanged"),
        (accuracy(None), "unmeasured", "is 80.0%"),
        (None, "unmeasured", "has not been measured"),
    ],
)
def test_a_verdict_weighs_the_drop(measured: Accuracy | None, state: str, words: str) -> None:
    found = verdict(SIZE, measured, None, None, {}, 0)
    assert found.state == state
    assert words in found.headline
    assert found.details[0] == "4.0 times smaller than the float network"


def test_outputs_stand_in_for_accuracy() -> None:
    found = verdict(
        SIZE, None, Outputs(10, 21.5, 0.9), Latency(1, 1, 0.01, 0.02), {"a": "float"}, 2
    )
    assert found.state == "unmeasured"
    assert "21.5 dB" in found.headline
    assert "2.0 times faster than float in torch" in found.details
    assert "1 operation computes in float" in found.details
    assert "2 layers are at fault: see the findings" in found.details
