"""Each layer's noise and the layers at fault, from the doctor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from intact.api.doctor import Diagnosis, diagnose
from intact.api.network import QuantizedNetwork
from intact.data.batch import Batch
from intact.diagnosis.noise import LayerNoise
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.inference import for_inference
from intact.ptq import Progress
from intact.report.contents import Finding
from intact.report.running import tensors

MOST_TRACED = 16  # samples that the reference runs
_MACS = 8_000_000_000  # that it may take for them, or it would take many minutes


@dataclass(frozen=True, slots=True)
class Examined:
    """What the doctor says, and the float network as the recipe prepared it."""

    noise: Sequence[LayerNoise]
    findings: tuple[Finding, ...]
    prepared: Graph[FloatOp]


def examine(
    graph: Graph[FloatOp], network: QuantizedNetwork, batches: Sequence[Batch], progress: Progress
) -> Examined:
    """Runs the doctor on the first samples.

    Raises:
        FormatError: if the network was not made from this float network.
    """
    samples = [batch.inputs for batch in batches]
    few = min(MOST_TRACED, max(1, _MACS // max(network.macs, 1)))
    found = diagnose(graph, network, samples, most_samples=few, progress=progress)
    for prepare in found.recipe.before:
        graph = prepare(graph, tensors(batches), progress)
    return Examined(found.layers, tuple(_findings(found)), for_inference(graph))


def _findings(found: Diagnosis) -> Iterator[Finding]:
    for finding in found.findings:
        yield Finding(
            layer=finding.layer,
            title=finding.title,
            op=finding.op,
            cause=finding.cause.name,
            cause_title=finding.cause.title,
            evidence=str(finding.cause),
            share=finding.share,
            own_sqnr_db=finding.own_sqnr_db,
            output_sqnr_db=finding.output_sqnr_db,
            cure=None if finding.cure is None else finding.cure.name,
            cure_words=None if finding.cure is None else finding.cure.words,
            cured_sqnr_db=finding.cured_db,
        )
