"""Findings: the layers that cost a network its accuracy, why, and what cures them, ranked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
from torch import Tensor as TorchTensor

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
    LEAST_SQUARED_ERROR,
    PER_CHANNEL,
    SIXTEEN_BITS,
    Cure,
)
from intact.diagnosis.evidence import Evidence, Examination
from intact.diagnosis.explain import Subject, explain, weighted_layer
from intact.diagnosis.gain import cured_outputs
from intact.diagnosis.walk import Walk
from intact.ir.certificate import Origin
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.ir.int_ops import IntOp, Program
from intact.numerics.qtensor import ScaledTensor
from intact.ptq import Recipe

# Networks of 8 bits that lose nothing have outputs of about 20 dB and more, each layer alone 27.
AT_FAULT_DB = 20.0  # of the outputs, with this layer's noise alone
POOR_DB = 15.0  # of the outputs with all noise: then also layers that cause a good share of it
GOOD_SHARE = 0.1


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
    cure: Cure | None  # None: quantize again with samples like these
    value: str  # that the layer writes, in the float network
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
    ranges = {found.name: float(found.magnitude.max(initial=0.0)) for found in examined.layers}
    made: list[Finding] = []
    for found in examined.layers:
        share = found.outputs.noise / whole if whole else 0.0
        if not at_fault(found, share, examined.outputs.db):
            continue
        made.append(_finding(walk, found, share, ranges, graph, origin))
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
    ranges: Mapping[str, float],
    graph: Graph[FloatOp],
    origin: Origin | None,
) -> Finding:
    part = walk.parts[found.node.name]
    layer = weighted_layer(part.graph)
    read = [walk.known(value) for value in part.sources]
    operands = {name: ranges[name] for name in read if name in ranges}
    weight = stored_weight(walk.program, found.node)
    cause = explain(Subject(found, layer, weight, graph, operands, origin))
    name = found.name if layer is None else layer.name
    return Finding(
        name,
        name if name == found.name else f"{name} + {found.name}",
        type(found.node.op).__name__,
        cause,
        found.own.db,
        found.outputs.db,
        share,
        cure_of(cause),
        found.name,
    )


def with_gains(
    walk: Walk, found: Sequence[Finding], recipe: Recipe, inputs: Sequence[TorchTensor]
) -> tuple[Finding, ...]:
    """The findings, each with what its cure gains on some samples."""
    parts = {name: walk.parts[node.name] for name, node in walk.layers if node.name in walk.parts}
    return tuple(
        replace(
            finding,
            cured_db=cured_outputs(
                walk, parts[finding.value], finding.layer, finding.cure, recipe, inputs
            ).db,
        )
        for finding in found
    )


def stored_weight(program: Program, node: Node[IntOp]) -> ScaledTensor | None:
    """The codes of a layer's weight, output channels first, input channels last."""
    for value in node.inputs[1:2]:
        if value.name in program.constants and value.params is not None:
            return ScaledTensor(np.asarray(program.constants[value.name]), value.params)
    return None


def cure_of(cause: Cause) -> Cure | None:
    """The cheapest cure of a cause."""
    match cause:
        case PerTensorWeight() | DeadChannel() | FoldBlowUp() | OutlierChannel(Tensor.WEIGHT):
            return PER_CHANNEL
        case RangeClipped() | RangeTooWide() | RareLargeValues():
            return LEAST_SQUARED_ERROR
        case CalibrationTooNarrow():
            return None
        case ShiftedMean():
            return BIAS_CORRECTED
        case FewBits(Tensor.WEIGHT):
            return EIGHT_BIT_WEIGHTS
        case OutlierChannel() | UnevenInputs() | TinyAddend() | FixedTail() | FewBits():
            return SIXTEEN_BITS
        case _:
            assert_never(cause)
