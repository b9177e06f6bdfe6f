"""quantize: a network, a few samples and a recipe in, a `QuantizedNetwork` out."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from intact import ptq
from intact.api.certify import Witness, certificate
from intact.api.engine import DEFAULT, Engine
from intact.api.engine import compile as compile_engine
from intact.api.float_engine import float_engine
from intact.api.model import Example, Model, to_graph
from intact.api.network import Attempt, QuantizedNetwork, Validation
from intact.data.batch import as_array, blaming_indices
from intact.data.function import item_inputs, split
from intact.errors import CalibrationError
from intact.ir.certificate import check_seed
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.lower.lower import lower_with_reasons
from intact.model import Dynamic
from intact.numerics.arrays import Array
from intact.observers import Mse
from intact.ptq import Progress, PtqRule, Recipe, silent
from intact.recipes import recipe as named_recipe
from intact.rules import Rule

Metric: TypeAlias = Callable[[Engine], float]
Candidate: TypeAlias = tuple[str, Recipe]

MORE_BITS: dict[str, tuple[str, ...]] = {  # what is tried after a recipe that missed its budget
    "W4A8": ("W8A8", "W8A16"),
    "W8A8": ("W8A16",),
    "W8A8-per-tensor": ("W8A8", "W8A16"),
    "W4-g32": ("W8",),
}


def quantize(
    model: Model,
    calibration: Iterable[object] = (),
    *,
    example_input: Example | tuple[Example, ...] | None = None,
    recipe: str | Recipe | Sequence[PtqRule] = "W8A8",
    validate: Metric | None = None,
    max_drop: float | None = None,
    progress: Progress = silent,
    seed: int | None = None,
) -> QuantizedNetwork:
    """Quantizes a trained network; the result's certificate says from what, and how.

    With `validate` the result records the metric of the float network, of the quantized one, and
    whether the drop is within `max_drop`. If it is not, other recipes are tried in this order: the
    same rules with activation ranges of least squared error, then those that `MORE_BITS` names. The
    first within the budget is kept; if none is, the best one, and `validation.met` is False.

    Args:
        model: An `nn.Module`, an exported program, a Graph, or the path of an .onnx or .pt2 file.
        calibration: Batches as a `DataLoader` gives them, arrays or tensors: inputs, or pairs
            (input, target) whose target is not looked at. It is read as often as the recipe and
            each other that is tried need it; an iterator is then kept in memory. May be empty if
            the recipe needs none.
        example_input: What an `nn.Module` is called with; by default the first calibration batch.
        recipe: A name of `intact.recipes.RECIPES`, a `Recipe`, or rules.
        validate: Called with an engine, which maps a float batch to outputs; higher is better.
        max_drop: The largest drop of `validate`'s metric that is accepted.
        progress: Told now and then what is being done, such as "calibrating <recipe>" with the
            number of samples seen, or "validating <recipe>".
        seed: Of the random numbers that your samples come from, if they do, for the certificate:
            intact itself draws none.

    Raises:
        ValueError: if there is no such recipe, a rule matches nothing, or an argument is missing.
        CalibrationError: if the samples do not fit the network, are not finite, or there are none.
        UnsupportedOpError: if the network holds an operation that intact cannot capture.
        FormatError: if a file is damaged or of another kind.
    """
    if max_drop is not None and validate is None:
        raise ValueError("max_drop needs validate, which measures what drops")
    name, chosen = named(recipe)
    if seed is not None:
        check_seed(seed)
    several = max_drop is not None or chosen.before or chosen.after  # readings of the samples
    batches = list(calibration) if several and isinstance(calibration, Iterator) else calibration
    if example_input is None and isinstance(model, nn.Module):
        graph, batches = from_first_batch(model, batches)
    else:
        graph = to_graph(model, example_input)

    def build(candidate: Candidate) -> QuantizedNetwork:
        return _quantized(graph, candidate, batches, progress, seed)

    if validate is None:
        return build((name, chosen))
    return _validated(graph, _candidates(name, chosen), build, validate, max_drop, progress)


def _engine(network: QuantizedNetwork) -> Engine:
    """With as many threads as torch uses; they do not change the integers."""
    threads = torch.get_num_threads() if DEFAULT == "native" else 1
    return compile_engine(network, threads=threads)


def named(recipe: str | Recipe | Sequence[PtqRule]) -> Candidate:
    """A recipe and its name, of whatever `quantize` takes."""
    if isinstance(recipe, str):
        return recipe, named_recipe(recipe)
    if isinstance(recipe, Recipe):
        return "recipe", recipe
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
    return tuple(_tensor(as_array(x)) for x in inputs), whole


def _tensor(array: Array) -> Tensor:
    # A copy, as torch warns of read-only arrays; NumPy's usual float64 is nobody's input.
    return torch.tensor(array.astype(np.float32) if array.dtype == np.float64 else array)


class _Samples:
    """Calibration data as tensors, read as often as a recipe needs."""

    def __init__(self, graph: Graph[FloatOp], batches: Iterable[object]) -> None:
        self._graph = graph
        self._batches = batches
        self.witness = Witness(graph.inputs)  # of the reading that saw most

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        witness = Witness(self._graph.inputs)
        for arrays in witness.watch(self._arrays()):
            yield tuple(map(_tensor, arrays))
            if witness.samples > self.witness.samples:
                self.witness = witness

    def _arrays(self) -> Iterator[tuple[Array, ...]]:
        for number, item in enumerate(self._batches):
            yield item_inputs(item, self._graph.inputs, f"calibration batch {number}")


def _quantized(
    graph: Graph[FloatOp],
    candidate: Candidate,
    batches: Iterable[object],
    progress: Progress,
    seed: int | None,
) -> QuantizedNetwork:
    name, recipe = candidate
    samples = _Samples(graph, batches)

    def show(what: str, done: int, total: int | None = None) -> None:
        progress(f"{what} {name}", done, total)

    with blaming_indices(graph.inputs, "calibration"):
        made = ptq.run(recipe, graph, samples, show)
    lowered = lower_with_reasons(made.model)
    origin = certificate(lowered.program, name, recipe, seed, samples.witness, made.seen.statistics)
    return QuantizedNetwork(
        lowered.program, made.model, lowered.stays_float, name, certificate=origin
    )


def _candidates(name: str, recipe: Recipe) -> Iterator[Candidate]:
    yield name, recipe
    squared = replace(recipe, rules=tuple(map(_with_least_squared_error, recipe.rules)))
    if squared != recipe:
        yield f"{name} with Mse", squared
    for other in MORE_BITS.get(name, ()):
        yield other, named_recipe(other)


def _with_least_squared_error(rule: PtqRule) -> PtqRule:
    observer = rule.activation
    if observer is None or isinstance(observer, Dynamic):
        return rule
    return replace(rule, activation=Mse(observer.format, symmetric=observer.symmetric))


def _validated(
    graph: Graph[FloatOp],
    candidates: Iterable[Candidate],
    build: Callable[[Candidate], QuantizedNetwork],
    validate: Metric,
    max_drop: float | None,
    progress: Progress,
) -> QuantizedNetwork:
    """The first candidate within the budget, or the best; the first of all without a budget."""

    def measure(name: str, engine: Engine) -> float:
        progress(f"validating {name}", 0)
        metric = validate(engine)
        if metric is None or not math.isfinite(metric):
            raise ValueError(f"validate returned {metric} for {name}; it must be a finite number")
        return float(metric)

    float_metric = measure("float", float_engine(graph))
    tried: list[tuple[float, QuantizedNetwork]] = []
    for candidate in candidates:
        network = build(candidate)
        tried.append((measure(candidate[0], _engine(network)), network))
        if max_drop is None or float_metric - tried[-1][0] <= max_drop:
            break
    metric, best = max(tried, key=lambda pair: pair[0])
    attempts = tuple(Attempt(str(network.recipe), value) for value, network in tried)
    return replace(best, validation=Validation(float_metric, metric, max_drop, attempts))
