"""From evidence to cause: what explains the noise of a layer.

The largest part of the layer's own noise decides where to look: at the ends of its output's range,
at the steps within it, or at its weight. Thresholds are where 8 bits stop being enough: below 16
levels a channel has an SQNR under 30 dB.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
from intact.diagnosis.evidence import Evidence, Grid
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.certificate import Origin
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.numerics.arrays import F64, Array
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.passes.fold_batchnorm import affine
from intact.passes.placement import HasWeight

FEW_LEVELS = 16.0  # steps of a grid
STARVED = 8.0
OUTLIER = 4.0  # times the median
MATTERS = 0.1  # of the largest product of weight and input
CONSTANT = 1e-3  # of the median channel's span: an output that never changes
_NARROW = 0.67  # of the range that is seen now
_FIXED = (int_ops.QSoftmax, int_ops.Lookup)


@dataclass(frozen=True, slots=True)
class Subject:
    """A layer with all that is known of it."""

    evidence: Evidence
    layer: Node[FloatOp] | None  # of the float network, if it has a weight
    weight: F64 | None  # of the float layer, (outputs, inputs, ...)
    params: QuantParams | None  # that its codes have, if it has any
    graph: Graph[FloatOp]  # the float network with its BatchNorms, as it was captured
    inputs: F64 | None  # root of the sums of squares of each channel of what it reads first
    operands: Mapping[str, float]  # largest magnitude of the values that it reads
    origin: Origin | None  # what the certificate says


def explain(subject: Subject) -> Cause:
    """The cause of most of the layer's own noise."""
    evidence = subject.evidence
    found = evidence.grid
    parts = (evidence.clipping, evidence.rounding, evidence.weights)
    largest = max(parts)
    if isinstance(evidence.node.op, int_ops.QAdd | int_ops.QSub) and found is not None:
        tiny = _tiny_addend(subject, found)
        if tiny is not None and largest != evidence.clipping:
            return tiny
    if found is not None and largest == evidence.clipping:
        return _clipped(subject, found)
    if found is not None and largest == evidence.rounding:
        return _coarse_output(subject, found)
    return _coarse_weight(subject)


def _clipped(subject: Subject, found: Grid) -> Cause:
    evidence = subject.evidence
    low, high = evidence.seen
    share = evidence.clipped / max(1, evidence.count)
    origin = subject.origin
    known = {} if origin is None else {seen.name: seen for seen in origin.ranges}
    calibrated = known.get(evidence.name)
    if origin is not None and calibrated is not None:
        reached = max(abs(calibrated.low), abs(calibrated.high))
        if reached < _NARROW * max(abs(low), abs(high)):
            samples = None if origin.calibration is None else origin.calibration.samples
            return CalibrationTooNarrow(calibrated.low, calibrated.high, low, high, share, samples)
    return RangeClipped(found.low, found.high, low, high, share)


def _tiny_addend(subject: Subject, found: Grid) -> Cause | None:
    """An operand that the sum's step swallows, beside one that it does not."""
    smallest = min(subject.operands, key=lambda name: subject.operands[name], default=None)
    if smallest is None or len(subject.operands) < 2:
        return None
    reach = subject.operands[smallest]
    if reach > FEW_LEVELS * found.step:
        return None
    output_range = max(abs(end) for end in subject.evidence.seen)
    return TinyAddend(smallest, reach, found.step, output_range)


def _coarse_output(subject: Subject, found: Grid) -> Cause:
    evidence = subject.evidence
    op = evidence.node.op
    if isinstance(op, _FIXED) and found.bits <= 8 and _is_fixed(op):
        return _tail(evidence, found)
    low, high = evidence.seen
    if max(abs(low), abs(high)) < 0.25 * max(abs(found.low), abs(found.high)):
        return RangeTooWide(found.low, found.high, low, high)
    magnitude = evidence.magnitude
    levels = magnitude / found.step
    alive = levels[levels > 0]
    if alive.size > 1:
        median = float(np.median(alive))
        if median < FEW_LEVELS and alive.max() > OUTLIER * median:
            channel = int(magnitude.argmax())
            ends = float(magnitude.max()), median * found.step
            return OutlierChannel(Tensor.OUTPUT, channel, *ends, median)
    if found.bits < 8:
        return FewBits(Tensor.OUTPUT, found.bits)
    typical = float(np.sqrt(evidence.square.sum() / max(1, evidence.count)))
    return RareLargeValues(Tensor.OUTPUT, float(magnitude.max()), typical, typical / found.step)


def _is_fixed(op: object) -> bool:
    fixed = ops.Sigmoid | ops.HardSigmoid
    return not isinstance(op, int_ops.Lookup) or isinstance(op.function, fixed)


def _tail(evidence: Evidence, found: Grid) -> Cause:
    name = "softmax" if isinstance(evidence.node.op, int_ops.QSoftmax) else "sigmoid"
    mass = evidence.vanished_sum / evidence.absolute_sum if evidence.absolute_sum else 0.0
    return FixedTail(name, evidence.vanished / max(1, evidence.count), mass, found.step)


def _coarse_weight(subject: Subject) -> Cause:
    evidence, weight, params = subject.evidence, subject.weight, subject.params
    if weight is not None and params is not None and isinstance(params.format, Int):
        cause = _uneven(subject, weight, params)
        if cause is not None:
            return cause
    shift = evidence.shift / evidence.weights if evidence.weights else 0.0
    if shift > 0.5:
        return ShiftedMean(evidence.shift / evidence.own.noise)
    if weight is None or params is None:
        bits = evidence.grid.bits if evidence.grid is not None else 32
        return FewBits(Tensor.OUTPUT, bits)
    if params.format.bits < 8:
        return FewBits(Tensor.WEIGHT, params.format.bits)
    typical = float(np.sqrt((weight**2).mean()))
    levels = typical / float(np.median(params.scale))
    return RareLargeValues(Tensor.WEIGHT, float(np.abs(weight).max()), typical, levels)


def _uneven(subject: Subject, weight: F64, params: QuantParams) -> Cause | None:
    """One scale for channels of different ranges, along outputs or along inputs."""
    real = np.abs(weight).reshape(len(weight), weight.shape[1], -1).max(axis=2)
    outputs = real.max(axis=1)
    if params.scale.size == 1 and len(outputs) > 1:
        cause = _uneven_outputs(subject, outputs, float(params.scale.reshape(())))
        if cause is not None:
            return cause
    if real.shape[1] < 2 or params.scale.size not in (1, len(real)):
        return None
    levels = real / params.scale.astype(np.float64).reshape(-1, 1)
    return _uneven_inputs(real, levels, subject.inputs)


def _uneven_inputs(real: F64, levels: F64, inputs: F64 | None) -> Cause | None:
    """Input channels whose weights have few levels because others' are far larger, or they tiny.

    Tiny weights matter where their inputs are as much larger.
    """
    ranges, reached = real.max(axis=0), levels.max(axis=0)
    median = float(np.median(reached))
    if median < FEW_LEVELS and reached.max() > OUTLIER * median:
        channel = int(reached.argmax())
        return UnevenInputs(channel, float(ranges[channel]), float(np.median(ranges)), median)
    if inputs is None or inputs.size != ranges.size:
        return None
    products = ranges * inputs
    left = np.where(products >= MATTERS * products.max(), reached, np.inf)
    channel = int(left.argmin())
    if left[channel] >= STARVED / 2 or left[channel] * OUTLIER >= median:
        return None
    ends = float(ranges[channel]), float(np.median(ranges))
    return UnevenInputs(channel, *ends, float(left[channel]))


def _uneven_outputs(subject: Subject, ranges: F64, step: float) -> Cause | None:
    alive = ranges[ranges > 0]
    if not alive.size:
        return None
    median = float(np.median(alive))
    starved = int((alive < STARVED * step).sum())
    channel = int(ranges.argmax())
    if ranges[channel] <= OUTLIER * median:
        return None
    largest, levels = float(ranges[channel]), median / step
    factors, variances = batchnorm_of(subject)
    if _never_changes(subject.evidence, channel):
        variance = None if variances is None else float(variances[channel])
        return DeadChannel(channel, variance, largest, median, levels)
    if factors is not None and factors[channel] > 2 * OUTLIER * np.median(factors):
        return FoldBlowUp(channel, float(factors[channel]), float(np.median(factors)), levels)
    second = float(np.sort(ranges)[-2])
    if largest > OUTLIER * second:
        return OutlierChannel(Tensor.WEIGHT, channel, largest, median, levels)
    return PerTensorWeight(_is_depthwise(subject), largest, median, levels, starved, len(ranges))


def _never_changes(evidence: Evidence, channel: int) -> bool:
    span = evidence.high - evidence.low
    if len(span) <= channel or not span.any():
        return False
    return bool(span[channel] <= CONSTANT * np.median(span[span > 0]))


def _is_depthwise(subject: Subject) -> bool:
    op = None if subject.layer is None else subject.layer.op
    return isinstance(op, ops.Conv) and op.groups > 1


def batchnorm_of(subject: Subject) -> tuple[F64 | None, Array | None]:
    """(|factor|, variance) of the BatchNorm that reads the layer; None without one."""
    if subject.layer is None:
        return None, None
    for node in subject.graph.nodes:
        if isinstance(node.op, ops.BatchNorm) and node.inputs[0].name == subject.layer.name:
            factor, _ = affine(node, subject.graph.constants)
            return np.abs(factor), subject.graph.constants[node.inputs[4].name]
    return None, None


def weighted_layer(part: Graph[FloatOp]) -> Node[FloatOp] | None:
    """The node with a weight in a layer's part of the float network."""
    return next((node for node in part.nodes if isinstance(node.op, HasWeight)), None)
