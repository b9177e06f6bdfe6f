"""Searches on a tiny network whose own predictions are the labels."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn

import intact
from intact.api.scoring import ScoredSamples
from intact.diagnosis.cures import (
    BIAS_CORRECTED,
    EIGHT_BIT_WEIGHTS,
    PER_CHANNEL,
    SIXTEEN_BITS,
    Cure,
)
from intact.model import QuantizedModel
from intact.numerics.formats import Int
from intact.ptq import Nearest, Progress, PtqRule, Recipe
from intact.recipes import recipe

SAMPLES = torch.randn(256, 3, 8, 8, generator=torch.Generator().manual_seed(0))
W8A8 = recipe("W8A8").rules[0]


class Net(nn.Module):
    """Two convolutions and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.b = nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of 4 classes."""
        return self.fc(torch.relu(self.b(torch.relu(self.a(x)))).flatten(1))


def network() -> Net:
    torch.manual_seed(1)
    return Net().eval()


def judge(model: nn.Module) -> ScoredSamples:
    with torch.no_grad():
        labels = model(SAMPLES).argmax(1)
    return ScoredSamples(list(zip(SAMPLES.split(32), labels.split(32), strict=True)))


def searched(
    chosen: Recipe | str, model: nn.Module | None = None, max_drop: float = 0.02, **others: object
) -> intact.QuantizedNetwork:
    model = model or network()
    return intact.quantize(
        model, [SAMPLES[:64]], recipe=chosen, validate=judge(model), max_drop=max_drop,
        **others,  # type: ignore[arg-type]
    )  # fmt: skip


def recipes_of(found: intact.QuantizedNetwork) -> list[str]:
    assert found.validation is not None
    return [attempt.recipe for attempt in found.validation.attempts]


def cures_of(found: intact.QuantizedNetwork) -> tuple[str, ...]:
    assert found.validation is not None
    return found.validation.attempts[found.validation.kept].cures


def with_outlier() -> Net:
    """One channel of `a` is always 0 behind its ReLU, and its weights are 300 times as large."""
    model = network()
    with torch.no_grad():
        assert model.a.bias is not None
        model.a.weight[0] *= 300
        model.a.bias[0] = -1e4
    return model


def coarse(**changes: object) -> Recipe:
    """W8A8, but for one layer."""
    rule = PtqRule(match="a", weight=W8A8.weight, activation=W8A8.activation)
    return Recipe(rules=(replace(rule, **changes), W8A8))  # type: ignore[arg-type]


TWO_BITS = coarse(weight=Nearest(Int(2, narrow=True)))
NARROW = coarse(match="relu", activation=intact.MinMax(Int(2)))


@pytest.mark.parametrize(
    ("chosen", "build", "words"),
    [
        ("W8A8", network, ()),
        ("W8A8-per-tensor", with_outlier, (PER_CHANNEL.words,)),
        (TWO_BITS, network, ("8-bit weights in a",)),
        (NARROW, network, ("16-bit activations in a",)),
    ],
    ids=["nothing", "outlier channel", "2-bit weight", "2-bit activation"],
)
def test_the_cheapest_cure_that_suffices_is_taken(
    chosen: Recipe | str, build: Callable[[], nn.Module], words: tuple[str, ...]
) -> None:
    found = searched(chosen, build(), cures=(PER_CHANNEL, EIGHT_BIT_WEIGHTS, SIXTEEN_BITS))
    validation = found.validation
    assert validation is not None
    assert validation.met
    assert found.recipe == validation.attempts[validation.kept].recipe
    assert validation.kept == len(validation.attempts) - 1
    assert cures_of(found) == words
    assert not found.stays_float


def test_a_missed_budget_keeps_the_best_and_its_whole_evaluation() -> None:
    found = searched(TWO_BITS, max_drop=0.0, cures=(BIAS_CORRECTED,))
    validation = found.validation
    assert validation is not None
    assert not validation.met
    best = validation.attempts[validation.kept]
    assert best.metric == max(attempt.metric for attempt in validation.attempts)
    assert (best.whole, best.samples) == (True, 256)
    assert validation.quantized_metric == best.metric
    assert found.bytes == best.bytes
    assert validation.interval is not None
    assert validation.interval[0] < validation.drop < validation.interval[1]


def test_a_function_of_the_engine_judges_as_well() -> None:
    inner = judge(network())
    metrics: list[float] = []

    def top1(engine: intact.Engine) -> float:
        metrics.append(sum(float(part.sum()) for part in inner.scores(engine)) / 256)
        return metrics[-1]

    found = intact.quantize(
        network(), iter([SAMPLES[:64]]), recipe=NARROW, validate=top1, max_drop=0.02
    )
    assert found.validation is not None
    assert found.validation.float_metric == metrics[0] == 1.0
    assert [attempt.metric for attempt in found.validation.attempts] == metrics[1:]
    assert found.validation.interval is None
    assert found.validation.met


def test_the_same_search_gives_the_same_network(tmp_path: Path) -> None:
    for name in ("one", "two"):
        searched(NARROW).save(tmp_path / f"{name}.intact")
    one, two = ((tmp_path / f"{name}.intact").read_bytes() for name in ("one", "two"))
    assert one == two


class Ticking:
    """A clock that goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def test_time_limits_end_the_search_with_the_best_so_far() -> None:
    whole = searched(NARROW, clock=Ticking())
    assert whole.validation is not None
    cut = searched(NARROW, clock=Ticking(), time_limit=12)
    assert cut.validation is not None
    assert recipes_of(cut) == recipes_of(whole)[: len(recipes_of(cut))]
    assert 1 <= len(recipes_of(cut)) < len(recipes_of(whole))
    assert cut.validation.out_of_time
    assert not cut.validation.met
    assert not whole.validation.out_of_time
    assert recipes_of(searched(NARROW, clock=Ticking(), time_limit=0)) == ["recipe"]


def test_settings_of_a_search_need_one() -> None:
    for others, message in (
        ({"time_limit": 1.0}, "need max_drop"),
        ({"journal": "net.intact.journal"}, "need max_drop"),
        ({"max_drop": 0.1, "time_limit": -1.0}, "seconds"),
        ({"max_drop": 0.1, "journal": "net.json"}, r"named \*\.intact\.journal"),
    ):
        with pytest.raises(ValueError, match=message):
            intact.quantize(
                network(), [SAMPLES], validate=lambda _: 1.0, **others  # type: ignore[arg-type]
            )  # fmt: skip


class KilledError(Exception):
    """Stands for the end of a process."""


def test_an_interrupted_search_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = searched(NARROW)
    assert whole.validation is not None
    whole.save(tmp_path / "whole.intact")
    journal = tmp_path / "net.intact.journal"
    judged: list[str] = []

    def progress(what: str, done: int, total: int | None = None, /) -> None:  # noqa: ARG001
        name = what.removeprefix("validating ")
        if name != what and done == 256:
            judged.append(name)
        if name != what and done == 0 and name not in judged and len(judged) in (1, 3, 4):
            judged.append("killed")
            raise KilledError

    runs = 0
    while runs < 10:
        runs += 1
        try:
            found = searched(NARROW, journal=journal, progress=progress)
            break
        except KilledError:
            lines = journal.read_bytes().splitlines()
            assert all(isinstance(json.loads(line), dict) for line in lines)
    assert runs > 2
    assert not journal.exists()
    names = [name for name in judged if name != "killed"]
    assert len(names) == len(set(names))
    assert found.validation is not None
    assert recipes_of(found) == recipes_of(whole)
    assert replace(found.validation, attempts=()) == replace(whole.validation, attempts=())
    assert found.stays_float == whole.stays_float
    assert (tmp_path / "net.intact").read_bytes() == (tmp_path / "whole.intact").read_bytes()


def test_a_search_out_of_time_keeps_its_journal_and_goes_on_with_more(tmp_path: Path) -> None:
    journal = tmp_path / "net.intact.journal"
    first = searched(NARROW, journal=journal, clock=Ticking(), time_limit=12)
    assert journal.exists()
    assert (tmp_path / "net.intact").exists()
    second = searched(NARROW, journal=journal)
    assert second.validation is not None
    assert second.validation.met
    assert recipes_of(second)[: len(recipes_of(first))] == recipes_of(first)
    assert not journal.exists()


@pytest.mark.parametrize("damage", ["absent", "other"])
def test_a_lost_network_is_built_once_more(tmp_path: Path, damage: str) -> None:
    journal, saved = tmp_path / "net.intact.journal", tmp_path / "net.intact"
    options: dict[str, object] = {"journal": journal, "cures": (SIXTEEN_BITS,), "max_drop": 0.0}
    first = searched("W8A8", clock=Ticking(), time_limit=0, **options)  # type: ignore[arg-type]
    expected = saved.read_bytes()
    if damage == "absent":
        saved.unlink()
    else:
        saved.write_bytes(b"something else")
    again = searched("W8A8", clock=Ticking(), time_limit=0, **options)  # type: ignore[arg-type]
    assert recipes_of(again) == recipes_of(first)
    assert saved.read_bytes() == expected


def test_custom_cures_are_objects() -> None:
    nothing = Cure("nothing", "nothing at all", "nothing", lambda recipe, *_: recipe)
    assert recipes_of(searched(TWO_BITS, cures=(nothing,))) == ["recipe"]


class Moved:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Lasting:
    """A refinement that lasts a thousand seconds."""

    clock: Moved

    def __call__(
        self, model: QuantizedModel, reference: object, batches: object, progress: Progress
    ) -> QuantizedModel:
        """The same model."""
        del reference, batches
        self.clock.now += 1000
        progress("lasting", 0)
        return model


def test_a_candidate_that_lasts_too_long_is_abandoned() -> None:
    clock = Moved()
    slow = Cure("slow", "slow", "time", lambda r, *_: replace(r, after=(Lasting(clock),)))
    found = searched(TWO_BITS, cures=(slow, BIAS_CORRECTED), clock=clock, time_limit=600)
    assert recipes_of(found) == ["recipe"]
    assert found.validation is not None
    assert found.validation.out_of_time
    assert recipes_of(searched(TWO_BITS, cures=(slow,), clock=clock)) == ["recipe", "recipe + slow"]
