"""Finds out everything that a report says."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from intact.api.engine import Engine
from intact.api.engine import compile as compile_engine
from intact.api.layers import constant_bytes
from intact.api.network import QuantizedNetwork, Validation
from intact.data.batch import Batch
from intact.diagnosis.noise import LayerNoise, layer_noise
from intact.ir.certificate import Certificate
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.int_ops import Program
from intact.ir.memory import plan
from intact.passes.inference import for_inference
from intact.ptq import Progress, silent
from intact.report.contents import (
    Accuracy,
    Candidate,
    Latency,
    Memory,
    Missing,
    Origin,
    Outputs,
    Place,
    Report,
    Size,
)
from intact.report.operations import operations
from intact.report.running import Judged, batches_of, count_values, judge_all, tensors
from intact.report.tensors import Counted, activations, grids, weights
from intact.report.verdict import verdict

ANALYSED = 64  # samples that histograms are of; accuracy is measured on all
TRACED = 16  # that the reference runs to measure each layer's noise


@dataclass(frozen=True, slots=True)
class Sources:
    """What a report is made from; what is None is missing in it."""

    name: str
    network: QuantizedNetwork
    model: Graph[FloatOp] | None = None
    samples: Iterable[object] | None = None
    others: Mapping[str, QuantizedNetwork] = field(default_factory=dict)
    latency: bool = False
    threads: int = 1


def collect(sources: Sources, progress: Progress = silent) -> Report:
    """The report; samples are read once.

    Raises:
        CalibrationError: if the samples do not fit the network.
    """
    network, program = sources.network, sources.network.program
    graph = None if sources.model is None else for_inference(sources.model)
    first: list[Batch] = []
    judged = _judged(sources, graph, first, progress)
    counted: Mapping[str, Counted] = {}
    noise: Sequence[LayerNoise] = ()
    if graph is not None and first:
        names = {name for _, name in grids(program)}
        counted = count_values(graph, names, first, progress)
        noise = layer_noise(graph, program, tensors(_head(first, TRACED)), progress)
    latency: Latency | None = None
    times: Mapping[str, float] = {}
    if sources.latency:
        latency, times = _timed(sources, graph, progress)
    prepared = graph if network.model is None else network.model.graph
    size = Size(
        network.bytes,
        None if graph is None else constant_bytes(graph),
        network.arena_bytes,
        network.macs,
    )
    accuracy = _accuracy(network.validation, judged[0])
    outputs = _outputs(judged[0])
    return Report(
        name=sources.name,
        recipe=network.recipe,
        verdict=verdict(size, accuracy, outputs, latency, network.stays_float),
        size=size,
        accuracy=accuracy,
        outputs=outputs,
        latency=latency,
        layers=operations(network, noise, times),
        tensors=(*weights(program, prepared), *activations(program, network.certificate, counted)),
        memory=_memory(program),
        candidates=tuple(_candidates(sources, judged)),
        origin=None if network.certificate is None else _origin(network.certificate),
        missing=tuple(_missing(sources, accuracy)),
    )


def _judged(
    sources: Sources, graph: Graph[FloatOp] | None, first: list[Batch], progress: Progress
) -> list[Judged]:
    """Of the network and the others; `first` gets the samples to analyse."""
    networks = [sources.network, *sources.others.values()]
    if sources.samples is None:
        return [Judged() for _ in networks]
    inputs = sources.network.program.inputs
    engines = [compile_engine(network, threads=sources.threads) for network in networks]
    batches = _keeping(batches_of(sources.samples, inputs), first)
    return judge_all(engines, _float_engine(graph), batches, progress)


def _float_engine(graph: Graph[FloatOp] | None) -> Engine | None:
    if graph is None:
        return None
    from intact.api.float_engine import float_engine

    return float_engine(graph)


def _head(batches: Iterable[Batch], count: int) -> Iterator[Batch]:
    for batch in batches:
        if count <= 0:
            return
        yield batch.head(count)
        count -= len(batch)


def _keeping(batches: Iterator[Batch], first: list[Batch]) -> Iterator[Batch]:
    for batch in batches:
        left = ANALYSED - sum(map(len, first))
        if left > 0:
            first.append(batch.head(left))
        yield batch


def _timed(
    sources: Sources, graph: Graph[FloatOp] | None, progress: Progress
) -> tuple[Latency, Mapping[str, float]]:
    from intact.report.latency import time_network

    progress("timing", 0)
    return time_network(sources.network.program, graph, sources.threads)


def _accuracy(validation: Validation | None, judged: Judged) -> Accuracy | None:
    """What `validate` said, or else top-1 on the samples."""
    if validation is not None:
        before, after = validation.float_metric, validation.quantized_metric
        budget = validation.max_drop
        return Accuracy("validation", None, before, after, None, after - before, None, budget)
    own, original, comparison = judged.own, judged.original, judged.comparison
    if own is None:
        return None
    if original is None or comparison is None:
        return Accuracy("top-1", own.samples, None, own.share, own.interval, None, None, None)
    return Accuracy(
        "top-1",
        own.samples,
        original.share,
        own.share,
        own.interval,
        comparison.difference,
        comparison.difference_interval,
        None,
    )


def _outputs(judged: Judged) -> Outputs | None:
    comparison = judged.comparison
    if comparison is None:
        return None
    noisy = math.isfinite(comparison.sqnr_db)
    return Outputs(
        judged.samples,
        comparison.sqnr_db if noisy else None,
        comparison.agreement if judged.classifies else None,
    )


def _memory(program: Program) -> Memory:
    found = plan(program)
    steps = ["start", *(node.name for node in program.nodes), "end"]
    live = (*found.live, *(0 for _ in range(len(steps) - len(found.live))))
    return Memory(
        arena_bytes=found.size,
        needed_bytes=found.lower_bound,
        peak=steps[found.peak + 1],
        steps=tuple(steps),
        live_bytes=live,
        places=tuple(
            Place(place.name, place.offset, place.size, place.first, place.last)
            for place in found.places
            if place.inside is None
        ),
    )


def _candidates(sources: Sources, judged: Sequence[Judged]) -> Iterator[Candidate]:
    """The network, what was tried on the way to it, and the others."""
    networks = {sources.name: sources.network, **sources.others}
    for (name, network), found in zip(networks.items(), judged, strict=True):
        outputs, validation = _outputs(found), network.validation
        accuracy = _accuracy(validation, found)
        yield Candidate(
            name,
            network.bytes,
            None if accuracy is None else accuracy.quantized,
            None if outputs is None else outputs.sqnr_db,
            network is sources.network,
        )
    validation = sources.network.validation
    for attempt in () if validation is None else validation.attempts:
        if attempt.recipe != sources.network.recipe:
            yield Candidate(attempt.recipe, None, attempt.metric, None, shown=False)


def _origin(certificate: Certificate) -> Origin:
    origin, vectors = certificate.origin, certificate.vectors
    calibration = origin.calibration
    return Origin(
        recipe=origin.recipe,
        rules=origin.rules,
        versions=tuple(f"{version.package} {version.version}" for version in origin.versions),
        calibration_samples=0 if calibration is None else calibration.samples,
        calibration_sha256=None if calibration is None else calibration.sha256,
        vectors_sha256=None if vectors is None else vectors.sha256,
    )


def _missing(sources: Sources, accuracy: Accuracy | None) -> Iterator[Missing]:
    if sources.model is None:
        yield Missing(
            "The size of the float network, noise of layers and float values of tensors",
            "name the float network: --model MODEL, or model= in Python",
        )
    if sources.samples is None:
        yield Missing(
            "Accuracy, noise of layers and histograms of activations",
            "give samples: --data DATA, or samples= in Python",
        )
    elif accuracy is None:
        yield Missing(
            "Accuracy", "give samples of a classifier with labels, or quantize with validate="
        )
    if not sources.latency:
        yield Missing("Latency", "have it measured on this machine: --benchmark, or benchmark=True")
    if not sources.others and (sources.network.validation is None):
        yield Missing("The trade-off curve", "name more networks: intact report A.intact B.intact")
