"""quantize: a network, a few samples and a recipe in, a `QuantizedNetwork` out."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
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
from intact.passes.inference import for_inference
from intact.ptq import PtqRule
from intact.recipes import recipe as named_recipe
from intact.rules import Rule

Metric: TypeAlias = Callable[[Engine], float]
Progress: TypeAlias = Callable[[str, int], None]
Candidate: TypeAlias = tuple[str, tuple[PtqRule, ...]]

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
    recipe: str | Sequence[PtqRule] = "W8A8",
    validate: Metric | None = None,
    max_drop: float | None = None,
    progress: Progress | None = None,
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
            (input, target) whose target is not looked at. It is read once for each recipe that is
            tried; with `max_drop` an iterator is kept in memory. May be empty if no rule observes
            activations.
        example_input: What an `nn.Module` is called with; by default the first calibration batch.
        recipe: A name of `intact.recipes.RECIPES`, or rules.
        validate: Called with an engine, which maps a float batch to outputs; higher is better.
        max_drop: The largest drop of `validate`'s metric that is accepted.
        progress: Called now and then with "calibrating <recipe>" and the number of samples seen,
            and with "validating <recipe>" and 0.
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
    name, rules = _named(recipe)
    if seed is not None:
        check_seed(seed)
    once = isinstance(calibration, Iterator) and max_drop is not None  # but several may be tried
    batches = list(calibration) if once else calibration
    if example_input is None and isinstance(model, nn.Module):
        graph, batches = _from_first_batch(model, batches)
    else:
        graph = to_graph(model, example_input)

    def build(candidate: Candidate) -> QuantizedNetwork:
        return _quantized(graph, candidate, batches, progress, seed)

    if validate is None:
        return build((name, rules))
    return _validated(graph, _candidates(name, rules), build, validate, max_drop, progress)


def _engine(network: QuantizedNetwork) -> Engine:
    """With as many threads as torch uses; they do not change the integers."""
    threads = torch.get_num_threads() if DEFAULT == "native" else 1
    return compile_engine(network, threads=threads)


def _named(recipe: str | Sequence[PtqRule]) -> Candidate:
    if isinstance(recipe, str):
        return recipe, named_recipe(recipe)
    rules = tuple(recipe) if isinstance(recipe, Iterable) else ()
    if not rules or not all(isinstance(rule, Rule) for rule in rules):
        raise ValueError(f"a recipe is a name or a list of at least one PtqRule, not {recipe!r}")
    return "rules", rules


def _from_first_batch(
    model: nn.Module, batches: Iterable[object]
) -> tuple[Graph[FloatOp], Iterable[object]]:
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


def _quantized(
    graph: Graph[FloatOp],
    candidate: Candidate,
    batches: Iterable[object],
    progress: Progress | None,
    seed: int | None,
) -> QuantizedNetwork:
    name, rules = candidate
    show = None if progress is None else partial(progress, f"calibrating {name}")
    witness = Witness(graph.inputs)
    samples = witness.watch(_arrays(graph, batches))
    with blaming_indices(graph.inputs, "calibration"):
        folded = for_inference(graph)  # here once: both find nothing left to fold
        seen = ptq.observe(folded, rules, (tuple(map(_tensor, x)) for x in samples), show)
        model = ptq.quantize_from(folded, rules, seen)
    lowered = lower_with_reasons(model)
    made = certificate(lowered.program, name, rules, seed, witness, seen.statistics)
    return QuantizedNetwork(lowered.program, model, lowered.stays_float, name, certificate=made)


def _arrays(graph: Graph[FloatOp], batches: Iterable[object]) -> Iterator[tuple[Array, ...]]:
    for number, item in enumerate(batches):
        yield item_inputs(item, graph.inputs, f"calibration batch {number}")


def _candidates(name: str, rules: tuple[PtqRule, ...]) -> Iterator[Candidate]:
    yield name, rules
    squared = tuple(_with_least_squared_error(rule) for rule in rules)
    if squared != rules:
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
    progress: Progress | None,
) -> QuantizedNetwork:
    """The first candidate within the budget, or the best; the first of all without a budget."""

    def measure(name: str, engine: Engine) -> float:
        if progress is not None:
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
