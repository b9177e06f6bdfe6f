"""diagnose: which layers cost a quantized network its accuracy, why, and what cures them; cure."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from intact.api.certify import settings
from intact.api.model import Example, Model, to_graph
from intact.api.network import QuantizedNetwork
from intact.api.quantize import from_first_batch, named, quantize
from intact.data.function import item_inputs
from intact.diagnosis.evidence import Evidence, examine
from intact.diagnosis.findings import Finding, findings, with_cures
from intact.diagnosis.gain import OnSamples, Trial
from intact.diagnosis.noise import LayerNoise
from intact.diagnosis.saturation import ForeignSaturation, foreign_saturation
from intact.diagnosis.walk import Walk
from intact.errors import CalibrationError, FormatError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.inference import for_inference
from intact.ptq import Progress, PtqRule, Recipe, silent
from intact.recipes import RECIPES

MOST_SAMPLES = 16  # more say the same
_GAIN_SAMPLES = 4
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the doctor found; `findings` is empty where nothing is wrong."""

    samples: int
    sqnr_db: float  # of the network's outputs against those of the float network
    layers: tuple[LayerNoise, ...]  # in execution order
    findings: tuple[Finding, ...]  # the most harmful first
    warnings: tuple[ForeignSaturation, ...]  # of runtimes that may compute something else
    recipe_name: str | None  # None: the network was made by rules that nobody knows
    recipe: Recipe  # that made it; or W8A8, to start from
    cured: Recipe  # with all cures

    @property
    def expected_sqnr_db(self) -> float:
        """Of the outputs after all cures whose gain was measured, if noises add up.

        A finer output also gives the layers that read it finer biases, which is not counted.
        """
        left = 1 - sum(found.share * (1 - found.cured_share) for found in self.findings)
        return self.sqnr_db - 10 * math.log10(max(left, 1e-9))


@dataclass(frozen=True, slots=True)
class Cured:
    """The best network that cures gave, and what was found on the way to it."""

    network: QuantizedNetwork
    before: Diagnosis
    after: Diagnosis


def diagnose(
    model: Model,
    network: QuantizedNetwork,
    samples: Iterable[object],
    *,
    example_input: Example | tuple[Example, ...] | None = None,
    recipe: str | Recipe | Sequence[PtqRule] | None = None,
    most_samples: int = MOST_SAMPLES,
    progress: Progress = silent,
) -> Diagnosis:
    """Finds the layers that cost a quantized network its accuracy.

    Each layer runs alone in integers on the float network's values; its noise is then added to the
    float network, which shows what it costs the outputs.

    Args:
        model: The network that was quantized, as for `quantize`.
        network: What it became.
        samples: Batches like those in use, as for calibration; the first `most_samples` are used.
        example_input: What an `nn.Module` is called with; by default the first samples.
        recipe: That made the network, by default the one that its certificate names.
        most_samples: That are looked at.
        progress: Told of what takes long.

    Raises:
        FormatError: if the network was not made from this model.
        CalibrationError: if the samples do not fit the network, or there are none.
        ValueError: if there is no such recipe.
    """
    graph, samples = _graph(model, example_input, samples)
    name, chosen = _recipe_of(network, recipe)
    batches = _batches(graph, samples, most_samples)
    prepared = graph
    for prepare in chosen.before:
        prepared = prepare(prepared, batches, progress)
    walk = Walk(for_inference(prepared), network.program)
    if not walk.parts or not walk.output_layers:
        raise FormatError(
            "the quantized network was not made from this model: their layers, or those of their"
            " outputs, have other names; give the model that was quantized"
        )
    examined = examine(walk, batches, progress)
    origin = None if network.certificate is None else network.certificate.origin
    found = findings(walk, examined, prepared, origin)
    trial = Trial(OnSamples(prepared, _few(batches[0], graph)), chosen)
    found = with_cures(walk, found, trial)
    return Diagnosis(
        examined.samples,
        examined.outputs.db,
        tuple(map(_noise, examined.layers)),
        found,
        foreign_saturation(network.program, {layer.node.name: layer for layer in examined.layers}),
        name,
        chosen,
        _cured(chosen, walk.reference, found),
    )


def cure(
    model: Model,
    network: QuantizedNetwork,
    samples: Iterable[object],
    *,
    example_input: Example | tuple[Example, ...] | None = None,
    recipe: str | Recipe | Sequence[PtqRule] | None = None,
    progress: Progress = silent,
) -> Cured:
    """Applies the cures that `diagnose` names and quantizes again, up to three times.

    A layer that is still at fault gets the next dearer cure. The network with the cleanest outputs
    is kept.

    Args:
        model: As for `diagnose`.
        network: As for `diagnose`.
        samples: All are used to calibrate.
        example_input: As for `diagnose`.
        recipe: As for `diagnose`.
        progress: As for `diagnose`.

    Raises:
        FormatError, CalibrationError, ValueError: as `diagnose`.
    """
    held = list(samples) if isinstance(samples, Iterator) else samples
    graph, held = _graph(model, example_input, held)
    before = diagnose(graph, network, held, recipe=recipe, progress=progress)
    best = Cured(network, before, before)
    last = before
    for _ in range(_ROUNDS):
        if not last.findings:
            break
        made = quantize(graph, held, recipe=last.cured, progress=progress)
        last = diagnose(graph, made, held, recipe=last.cured, progress=progress)
        if last.sqnr_db > best.after.sqnr_db:
            best = Cured(made, before, last)
    return best


def _graph(
    model: Model, example_input: Example | tuple[Example, ...] | None, samples: Iterable[object]
) -> tuple[Graph[FloatOp], Iterable[object]]:
    """The captured network, and the samples, of which the first may be the example."""
    if example_input is None and isinstance(model, nn.Module):
        return from_first_batch(model, samples)
    return to_graph(model, example_input), samples


def _recipe_of(
    network: QuantizedNetwork, recipe: str | Recipe | Sequence[PtqRule] | None
) -> tuple[str | None, Recipe]:
    """The recipe that made the network and its name; W8A8 and None where nobody knows."""
    if recipe is not None:
        return named(recipe)
    origin = None if network.certificate is None else network.certificate.origin
    if origin is not None:
        known = RECIPES.get(origin.recipe)
        if known is not None and settings(known) == origin.rules:
            return origin.recipe, known
    return None, RECIPES["W8A8"]


def _batches(
    graph: Graph[FloatOp], samples: Iterable[object], most: int
) -> list[tuple[Tensor, ...]]:
    """The first samples as tensors."""
    batches: list[tuple[Tensor, ...]] = []
    count = 0
    for number, item in enumerate(samples):
        arrays = item_inputs(item, graph.inputs, f"batch {number}")
        kept = [array[: most - count] if _grows(graph) else array for array in arrays]
        batches.append(tuple(torch.tensor(array) for array in kept))
        count += len(arrays[0])
        if count >= most:
            break
    if not batches:
        raise CalibrationError("there are no samples; give at least one batch")
    return batches


def _grows(graph: Graph[FloatOp]) -> bool:
    return all(value.shape[:1] == (-1,) for value in graph.inputs)


def _few(batch: tuple[Tensor, ...], graph: Graph[FloatOp]) -> tuple[Tensor, ...]:
    return tuple(x[:_GAIN_SAMPLES] for x in batch) if _grows(graph) else batch


def _noise(found: Evidence) -> LayerNoise:
    return LayerNoise(found.name, type(found.node.op).__name__, found.total.db, found.own.db)


def _cured(recipe: Recipe, graph: Graph[FloatOp], found: Sequence[Finding]) -> Recipe:
    """The recipe with the cure of each finding."""
    for finding in found:
        if finding.cure is not None:
            recipe = finding.cure.apply(recipe, graph, [finding.layer])
    return recipe
