"""Findings: the layers that cost a network its accuracy, why, and what cures them, ranked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

from intact.diagnosis.causes import (
    CalibrationTooNarrow,
    Cause,
    DeadChannel,
    FewBits,
    FixedTail,
    FoldBlowUp,
    OutlierChannel,
    PerTensorWeight,
    RangeClipped,
    RangeTooWide,
    RareLargeValues,
    ShiftedMean,
    Tensor,
    TinyAddend,
    UnevenInputs,
)
from intact.diagnosis.cures import (
    BIAS_CORRECTED,
    EIGHT_BIT_WEIGHTS,
    EQUALIZED,
    KEEP_FLOAT,
    LEAST_SQUARED_ERROR,
    PER_CHANNEL,
    REPAIRED,
    SIXTEEN_BITS,
    Cure,
)
from intact.diagnosis.evidence import Evidence, Examination
from intact.diagnosis.explain import Subject, explain, weighted_layer
from intact.diagnosis.gain import Trial
from intact.diagnosis.walk import Part, Walk
from intact.ir.certificate import Origin
from intact.ir.float_ops import ConvTranspose, FloatOp
from intact.ir.graph import Graph, Node
from intact.ir.int_ops import Dequantize, IntOp, Program
from intact.numerics.arrays import F64
from intact.numerics.qtensor import QuantParams

# Networks of 8 bits that lose nothing have outputs of about 20 dB and more, each layer alone 27.
AT_FAULT_DB = 20.0  # of the outputs, with this layer's noise alone
POOR_DB = 15.0  # of the outputs with all noise: then also layers that cause a good share of it
GOOD_SHARE = 0.1
ENOUGH_DB = 23.0  # of the outputs, with this layer's noise alone after a cure


@dataclass(frozen=True, slots=True)
class Finding:
    """A layer at fault."""

    layer: str  # that a cure changes: its name in the float network
    title: str  # with the activation that is fused into it
    op: str  # of the Program
    cause: Cause
    own_sqnr_db: float  # of the layer's output, from its own noise alone
    output_sqnr_db: float  # of the network's outputs, from this noise alone
    share: float  # of the noise that all layers cause in the outputs
    value: str  # that the layer writes, in the float network
    cure: Cure | None = None  # None: quantize again with samples like these
    cured_db: float | None = None  # `output_sqnr_db` after the cure; None: not measured

    @property
    def gain_db(self) -> float | None:
        """By how much the cure lowers the noise that this layer causes in the outputs."""
        return None if self.cured_db is None else self.cured_db - self.output_sqnr_db

    @property
    def cured_share(self) -> float:
        """What is left of that noise after the cure, if it was measured."""
        return 1.0 if self.gain_db is None else min(1.0, 10 ** (-self.gain_db / 10))


def findings(
    walk: Walk, examined: Examination, graph: Graph[FloatOp], origin: Origin | None
) -> tuple[Finding, ...]:
    """The layers at fault, those that cause most of the outputs' noise first.

    Args:
        walk: The networks.
        examined: What `examine` saw.
        graph: The float network as it was captured, with its BatchNorms.
        origin: What the certificate says, if there is one.
    """
    whole = sum(found.outputs.noise for found in examined.layers)
    known = {found.name: found for found in examined.layers}
    made: list[Finding] = []
    for found in examined.layers:
        share = found.outputs.noise / whole if whole else 0.0
        if not at_fault(found, share, examined.outputs.db):
            continue
        made.append(_finding(walk, found, share, known, graph, origin))
    return tuple(sorted(made, key=lambda finding: -finding.share))


def at_fault(found: Evidence, share: float, outputs_db: float) -> bool:
    """Whether a layer costs enough to be looked at."""
    if found.outputs.noise == 0:
        return False
    return found.outputs.db < AT_FAULT_DB or (outputs_db < POOR_DB and share >= GOOD_SHARE)


def _finding(
    walk: Walk,
    found: Evidence,
    share: float,
    known: Mapping[str, Evidence],
    graph: Graph[FloatOp],
    origin: Origin | None,
) -> Finding:
    part = walk.parts[found.node.name]
    layer = weighted_layer(part.graph)
    read = [walk.known(value) for value in part.sources]
    operands = {n: float(known[n].magnitude.max(initial=0.0)) for n in read if n in known}
    inputs = np.sqrt(known[read[0]].square) if read and read[0] in known else None
    weight = None if layer is None else float_weight(walk.reference, layer)
    params = weight_params(walk.program, found.node)
    cause = explain(Subject(found, layer, weight, params, graph, inputs, operands, origin))
    name = found.name if layer is None else layer.name
    return Finding(
        name,
        name if name == found.name else f"{name} + {found.name}",
        type(found.node.op).__name__,
        cause,
        found.own.db,
        found.outputs.db,
        share,
        found.name,
    )


def with_cures(walk: Walk, found: Sequence[Finding], trial: Trial) -> tuple[Finding, ...]:
    """The findings, each with the cheapest cure that is enough, or else the one that gains most."""
    parts = {name: walk.parts[node.name] for name, node in walk.layers if node.name in walk.parts}
    return tuple(_with_cure(finding, parts[finding.value], trial) for finding in found)


def _with_cure(finding: Finding, part: Part, trial: Trial) -> Finding:
    read = [value.name for value in part.graph.inputs]
    tried: list[Finding] = []
    for cure in cures_of(finding.cause):
        cured = trial.cured(cure, finding.layer)
        if cured is None:
            continue
        outputs = cured.outputs(read, finding.value)
        tried.append(replace(finding, cure=cure, cured_db=outputs.db))
        if outputs.db >= ENOUGH_DB:
            break
    return max(tried, key=_cleanest, default=finding)


def _cleanest(finding: Finding) -> float:
    assert finding.cured_db is not None
    return finding.cured_db


def weight_params(program: Program, node: Node[IntOp]) -> QuantParams | None:
    """What the codes of a layer's weight mean; None if it has none."""
    made = program.producers()
    for value in node.inputs[1:2]:
        source = made.get(value.name)
        if source is not None and isinstance(source.op, Dequantize):  # of a float layer
            return source.op.params
        if value.name in program.constants:
            return value.params
    return None


def float_weight(reference: Graph[FloatOp], layer: Node[FloatOp]) -> F64:
    """(outputs, inputs, ...) of a float layer."""
    weight = reference.constants[layer.inputs[1].name].astype(np.float64)
    return np.asarray(weight.swapaxes(0, 1) if isinstance(layer.op, ConvTranspose) else weight)


def cures_of(cause: Cause) -> tuple[Cure | None, ...]:
    """What may cure it, the cheapest first; None: quantize again with samples like these."""
    match cause:
        case DeadChannel():
            return REPAIRED, PER_CHANNEL, KEEP_FLOAT
        case PerTensorWeight() | FoldBlowUp() | OutlierChannel(Tensor.WEIGHT):
            return PER_CHANNEL, EQUALIZED, EIGHT_BIT_WEIGHTS, KEEP_FLOAT
        case CalibrationTooNarrow():
            return None, LEAST_SQUARED_ERROR, SIXTEEN_BITS
        case RangeClipped() | RangeTooWide() | RareLargeValues(Tensor.OUTPUT):
            return LEAST_SQUARED_ERROR, SIXTEEN_BITS, KEEP_FLOAT
        case ShiftedMean():
            return BIAS_CORRECTED, PER_CHANNEL, KEEP_FLOAT
        case FewBits(Tensor.WEIGHT) | RareLargeValues():
            return PER_CHANNEL, LEAST_SQUARED_ERROR, EIGHT_BIT_WEIGHTS, KEEP_FLOAT
        case UnevenInputs():
            return EQUALIZED, KEEP_FLOAT
        case OutlierChannel():
            return EQUALIZED, SIXTEEN_BITS, KEEP_FLOAT
        case TinyAddend() | FixedTail() | FewBits():
            return SIXTEEN_BITS, KEEP_FLOAT
        case _:
            assert_never(cause)
