"""quantize: a network, a few samples and a recipe in, a `QuantizedNetwork` out."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from torch import Tensor, nn

from intact.api.automatic import Clock, Search, search
from intact.api.build import Built, CalibrationSamples, as_tensor, build
from intact.api.certify import settings
from intact.api.journal import SUFFIX
from intact.api.model import Example, Model, to_graph
from intact.api.network import QuantizedNetwork
from intact.api.records import graph_sha256, text_sha256
from intact.api.scoring import Judge, ScoredSamples
from intact.data.batch import as_array
from intact.data.function import split
from intact.diagnosis.blame import Blame, blame
from intact.diagnosis.cures import CURES, Cure
from intact.diagnosis.treatment import Candidate
from intact.errors import CalibrationError
from intact.ir.certificate import check_seed
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ptq import Progress, PtqRule, Recipe, silent
from intact.recipes import recipe as named_recipe
from intact.rules import Rule


def quantize(
    model: Model,
    calibration: Iterable[object] = (),
    *,
    example_input: Example | tuple[Example, ...] | None = None,
    recipe: str | Recipe | Sequence[PtqRule] = "W8A8",
    validate: Judge | None = None,
    max_drop: float | None = None,
    time_limit: float | None = None,
    cures: Sequence[Cure] = CURES,
    journal: str | Path | None = None,
    progress: Progress = silent,
    seed: int | None = None,
    clock: Clock = time.monotonic,
) -> QuantizedNetwork:
    """Quantizes a trained network; the result's certificate says from what, and how.

    With `validate` the result records the metric of the float network, of the quantized one, and
    whether the drop is within `max_drop`. If it is not, `cures` are tried on top of the recipe, the
    cheapest first: those that cost nothing at run time on all layers, the others on the layers
    that cause the loss. The first network within the budget is kept; if none is, the best one, and
    `validation.met` is False.

    Args:
        model: An `nn.Module`, an exported program, a Graph, or the path of an .onnx or .pt2 file.
        calibration: Batches as a `DataLoader` gives them, arrays or tensors: inputs, or pairs
            (input, target) whose target is not looked at. If the recipe or a search needs it more
            than once, an iterator is kept in memory. May be empty if the recipe needs none.
        example_input: What an `nn.Module` is called with; by default the first calibration batch.
        recipe: A name of `intact.recipes.RECIPES`, a `Recipe`, or rules.
        validate: `ScoredSamples`; or a function that is called with an engine, which maps a float
            batch to outputs, and returns a number or an array with one a sample, in the same order
            each time. Higher is better. Scores of samples give the drop a confidence interval, and
            with `ScoredSamples` hopeless networks are given up early.
        max_drop: The largest drop of `validate`'s metric that is accepted.
        time_limit: Seconds after which the best so far is taken; the recipe itself is always tried.
        cures: What may be done to meet the budget, from the cheapest.
        journal: A file named *.intact.journal, from which the same call goes on after its process
            was killed. The best network so far is beside it, *.intact. It is deleted when the
            search is complete, and kept if time ran out.
        progress: Told now and then what is being done, such as "calibrating <recipe>" with the
            number of samples seen, or "validating <recipe>".
        seed: Of the random numbers that your samples come from, if they do, for the certificate:
            intact itself draws none.
        clock: Tells the seconds for `time_limit`.

    Raises:
        ValueError: if there is no such recipe, a rule matches nothing, or an argument is missing.
        CalibrationError: if the samples do not fit the network, are not finite, or there are none.
        UnsupportedOpError: if the network holds an operation that intact cannot capture.
        FormatError: if a file is damaged or of another kind.
    """
    _check(validate, max_drop, time_limit, journal)
    name, chosen = named(recipe)
    if seed is not None:
        check_seed(seed)
    again = max_drop is not None or chosen.rereads_samples
    batches = list(calibration) if again and isinstance(calibration, Iterator) else calibration
    if example_input is None and isinstance(model, nn.Module):
        graph, batches = from_first_batch(model, batches)
    else:
        graph = to_graph(model, example_input)
    if validate is None:
        return build(graph, name, chosen, batches, progress, seed).network

    def built(candidate: Candidate, show: Progress) -> Built:
        return build(graph, candidate.name, candidate.recipe, batches, show, seed)

    def diagnosed(made: Built, show: Progress) -> Sequence[Blame]:
        return blame(made.quantized, CalibrationSamples(graph, batches), show)

    what = Search(
        graph=graph,
        start=Candidate(name, chosen),
        judge=validate,
        build=built,
        diagnose=diagnosed,
        identify=_identified,
        max_drop=max_drop,
        time_limit=time_limit,
        cures=cures,
        clock=clock,
        progress=progress,
    )
    path = None if journal is None else Path(journal)
    return search(what, path, lambda: _key(what, batches, seed))


def _check(
    validate: Judge | None,
    max_drop: float | None,
    time_limit: float | None,
    journal: str | Path | None,
) -> None:
    if max_drop is not None and validate is None:
        raise ValueError("max_drop needs validate, which measures what drops")
    if max_drop is None and (time_limit is not None or journal is not None):
        raise ValueError("time_limit and journal are about a search: they need max_drop")
    if time_limit is not None and not time_limit >= 0:
        raise ValueError(f"time_limit is {time_limit}; it must be seconds, 0 or more")
    if journal is not None and not str(journal).endswith(f".intact{SUFFIX}"):
        raise ValueError(f"a journal is named *.intact{SUFFIX}, not {Path(journal).name}")


def _identified(candidate: Candidate) -> str:
    return text_sha256(*settings(candidate.recipe))


def _key(what: Search, batches: Iterable[object], seed: int | None) -> str:
    """Of all that a search's result depends on, but for its time limit."""
    samples = CalibrationSamples(what.graph, batches)
    for _ in samples:
        pass
    seen, judge = samples.witness.calibration, what.judge
    return text_sha256(
        graph_sha256(what.graph),
        None if seen is None else seen.sha256,
        judge.sha256(len(what.graph.inputs)) if isinstance(judge, ScoredSamples) else None,
        what.start.name,
        _identified(what.start),
        repr((what.max_drop, seed, [cure.name for cure in what.cures])),
    )


def named(recipe: str | Recipe | Sequence[PtqRule]) -> tuple[str, Recipe]:
    """A recipe and its name, of whatever `quantize` takes."""
    if isinstance(recipe, str):
        return recipe, named_recipe(recipe)
    if isinstance(recipe, Recipe):
        return recipe.name, recipe
    rules = tuple(recipe) if isinstance(recipe, Iterable) else ()
    if not rules or not all(isinstance(rule, Rule) for rule in rules):
        raise ValueError(
            f"a recipe is a name, a Recipe or a list of at least one PtqRule, not {recipe!r}"
        )
    return "rules", Recipe(rules=rules)


def from_first_batch(
    model: nn.Module, batches: Iterable[object]
) -> tuple[Graph[FloatOp], Iterable[object]]:
    """The captured module, for which the first batch is the example; and all batches."""
    example, batches = _first_input(batches)
    try:
        return to_graph(model, example), batches
    except ValueError as error:
        raise ValueError(
            f"{error}. The example is the first calibration batch; calibration gives batches"
            " (N, ...), and example_input=x says what else the model takes"
        ) from error


def _first_input(batches: Iterable[object]) -> tuple[tuple[Tensor, ...], Iterable[object]]:
    """The first batch's inputs, and all batches."""
    iterator = iter(batches)
    first = next(iterator, None)
    if first is None:
        raise CalibrationError("there are no calibration samples; give at least one batch")
    inputs, _ = split(first, 1)
    whole = chain([first], iterator) if iterator is batches else batches
    return tuple(as_tensor(as_array(x)) for x in inputs), whole
