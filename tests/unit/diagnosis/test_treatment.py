"""The order in which cures are tried, without any network."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

import intact
from intact.diagnosis.blame import Blame
from intact.diagnosis.cures import BIAS_CORRECTED, CURES, KEEP_FLOAT, PER_CHANNEL, Cure
from intact.diagnosis.treatment import Candidate, treatment
from intact.numerics.formats import Int
from intact.ptq import PtqRule, Recipe
from intact.recipes import recipe
from tests.unit.ptq.networks import conv_relu_linear

START = Candidate("start", recipe("W8A8-per-tensor"))
GRAPH = conv_relu_linear()
BLAMES = (Blame("fc", 0.6, 0.45), Blame("conv", 0.3, 0.1), Blame("x", 0.1, 0.0))


def tried(
    metrics: dict[str, float], cures: Sequence[Cure] = CURES, blames: Sequence[Blame] = BLAMES
) -> list[str]:
    """The names of all candidates, each worth `metrics` of its name or 0."""
    steps = treatment(START, GRAPH, cures, lambda _: blames)
    names = [next(steps).name]
    while True:
        try:
            names.append(steps.send(metrics.get(names[-1], 0.0)).name)
        except StopIteration:
            return names


def test_cheap_cures_add_up_and_others_grow_from_the_worst_layer() -> None:
    ranges = "start + per_channel + least_squared_error"
    everywhere = f"{ranges} + equalized + bias_corrected"
    assert tried({}) == [
        "start",
        "start + per_channel",
        "start + per_channel + least_squared_error",
        f"{ranges} + equalized",
        everywhere,
        f"{everywhere} + sixteen_bits(1)",
        f"{everywhere} + sixteen_bits(2)",
        f"{everywhere} + sixteen_bits(3)",
        f"{everywhere} + keep_float(1)",
    ]


def test_what_makes_it_worse_is_left_out() -> None:
    names = tried({"start": 0.5, "start + per_channel": 0.9}, (PER_CHANNEL, BIAS_CORRECTED))
    assert names == ["start", "start + per_channel", "start + per_channel + bias_corrected"]
    names = tried({"start": 0.5}, (PER_CHANNEL, BIAS_CORRECTED))
    assert names == ["start", "start + per_channel", "start + bias_corrected"]


def test_dear_cures_build_on_the_best_before_them() -> None:
    names = tried({"start + sixteen_bits(2)": 1.0}, CURES[-2:])
    assert names[-1] == "start + sixteen_bits(2) + keep_float(1)"


def test_each_cure_takes_the_layers_that_are_guilty_of_what_it_restores() -> None:
    found = []
    steps = treatment(START, GRAPH, CURES[-2:], lambda _: BLAMES)
    candidate = next(steps)
    for _ in range(4):
        candidate = steps.send(0.0)
        found.append(candidate.words[-1])
    assert found == [
        "16-bit activations in conv",
        "16-bit activations in conv, fc",
        "16-bit activations in conv, fc, x",
        "computed in float in fc",
    ]


def test_a_cure_that_changes_nothing_is_not_tried() -> None:
    wide = Recipe(rules=(PtqRule(activation=intact.MinMax(Int(16), symmetric=True)),))
    steps = treatment(replace(START, recipe=wide), GRAPH, CURES[:-1], lambda _: BLAMES)
    assert [next(steps).name, steps.send(0.0).name, steps.send(0.0).name] == [
        "start",
        "start + least_squared_error",
        "start + least_squared_error + equalized",
    ]
    with pytest.raises(StopIteration):
        steps.send(0.0)


def test_without_layers_at_fault_nothing_is_tried_on_them() -> None:
    assert tried({}, (KEEP_FLOAT,), ()) == ["start"]
