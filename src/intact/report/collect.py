"""Finds out everything that a report says."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from intact.api.engine import Engine
from intact.api.engine import compile as compile_engine
from intact.api.layers import constant_bytes
from intact.api.network import QuantizedNetwork
from intact.data.batch import Batch
from intact.ir.certificate import Certificate
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.int_ops import Program
from intact.ir.memory import plan
from intact.passes.inference import for_inference
from intact.ptq import Progress, silent
from intact.report.accuracy import accuracy, candidates, outputs
from intact.report.contents import (
    Accuracy,
    Latency,
    Memory,
    Missing,
    Origin,
    Place,
    Report,
    Size,
)
from intact.report.diagnosis import Examined, examine
from intact.report.operations import operations
from intact.report.running import Judged, batches_of, count_values, judge_all
from intact.report.tensors import Counted, activations, grids, weights
from intact.report.verdict import verdict

ANALYSED = 64  # samples that histograms are of; accuracy is measured on all


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
        FormatError: if the float network is another one.
    """
    network, program = sources.network, sources.network.program
    graph = None if sources.model is None else for_inference(sources.model)
    first: list[Batch] = []
    judged = _judged(sources, graph, first, progress)
    examined: Examined | None = None
    counted: Mapping[str, Counted] = {}
    if sources.model is not None and first:
        examined = examine(sources.model, network, first, progress)
        names = {name for _, name in grids(program)}
        counted = count_values(examined.prepared, names, first, progress)
    latency, times = _timed(sources, graph, progress)
    prepared = graph if examined is None else examined.prepared
    size = _size(network, graph)
    measured, close = accuracy(network.validation, judged[0]), outputs(judged[0])
    findings = None if examined is None else examined.findings
    return Report(
        name=sources.name,
        recipe=network.recipe,
        verdict=verdict(size, measured, close, latency, network.stays_float, len(findings or ())),
        size=size,
        accuracy=measured,
        outputs=close,
        latency=latency,
        findings=findings,
        layers=operations(network, () if examined is None else examined.noise, times),
        tensors=(
            *weights(program, prepared if network.model is None else network.model.graph),
            *activations(program, network.certificate, counted),
        ),
        memory=_memory(program),
        candidates=tuple(candidates({sources.name: network, **sources.others}, judged)),
        origin=None if network.certificate is None else _origin(network.certificate),
        missing=tuple(_missing(sources, measured)),
    )


def _size(network: QuantizedNetwork, graph: Graph[FloatOp] | None) -> Size:
    before = None if graph is None else constant_bytes(graph)
    return Size(network.bytes, before, network.arena_bytes, network.macs)


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


def _keeping(batches: Iterator[Batch], first: list[Batch]) -> Iterator[Batch]:
    for batch in batches:
        left = ANALYSED - sum(map(len, first))
        if left > 0:
            first.append(batch.head(left))
        yield batch


def _timed(
    sources: Sources, graph: Graph[FloatOp] | None, progress: Progress
) -> tuple[Latency | None, Mapping[str, float]]:
    if not sources.latency:
        return None, {}
    from intact.report.latency import time_network

    progress("timing", 0)
    return time_network(sources.network.program, graph, sources.threads)


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


def _missing(sources: Sources, measured: Accuracy | None) -> Iterator[Missing]:
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
    elif measured is None:
        yield Missing(
            "Accuracy", "give samples of a classifier with labels, or quantize with validate="
        )
    if not sources.latency:
        yield Missing("Latency", "have it measured on this machine: --benchmark, or benchmark=True")
    if not sources.others and (sources.network.validation is None):
        yield Missing("The trade-off curve", "name more networks: intact report A.intact B.intact")
