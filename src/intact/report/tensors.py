"""Weights and activations: float values against the grid of their codes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from intact.exec.runner import describe
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.certificate import Certificate
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Program
from intact.lower.weights import kernel_layout
from intact.metrics import sqnr_db
from intact.numerics.arrays import F32, F64, Array, Codes
from intact.numerics.granularity import stretch
from intact.numerics.qtensor import QuantParams
from intact.report.contents import Channel, Grid, Histogram, Tensor

MOST_BINS = 96
MOST_CHANNELS = 64  # that are kept of a layer: more are not told apart by eye
_ALL_CHANNELS = 10_000  # of all layers, so that the page stays small
_SAME_WEIGHT = 6.0  # dB; below, the float weight is not the one that was quantized
_LAYERS = (
    int_ops.QConv2d, int_ops.QConvTranspose2d, int_ops.QLinear, int_ops.QEmbedding,
    int_ops.DynamicConv2d, int_ops.DynamicLinear,
)  # fmt: skip


def activations(
    program: Program, certificate: Certificate | None, counted: Mapping[str, "Counted"]
) -> Iterator[Tensor]:
    """Every value that has a grid of its own, in execution order.

    Args:
        program: The quantized network.
        certificate: Its ranges are those that calibration saw.
        counted: The float values, by name, where samples were run.
    """
    ranges = {} if certificate is None else {r.name: r for r in certificate.origin.ranges}
    for value, name in grids(program):
        assert value.params is not None
        grid, known, seen = _grid(value.params), counted.get(name), ranges.get(name)
        yield Tensor(
            name=name,
            kind="activation",
            shape=describe(value.shape),
            format=str(value.dtype),
            grid=grid,
            seen=_seen(known) or (None if seen is None else (seen.low, seen.high)),
            clipped=None if known is None else known.outside(grid),
            sqnr_db=None,
            histogram=None if known is None else known.histogram(),
            channel_count=0,
            channels=(),
        )


def grids(program: Program) -> Iterator[tuple[Value, str]]:
    """The values whose codes have a grid of their own, with the real value that they stand for.

    Codes of an input or an output have another name than the float value.
    """
    readers = program.consumers()
    for node in program.nodes:
        if node.output.params is None or isinstance(node.op, ops.Permute | ops.Reshape):
            continue
        read = readers.get(node.name, ())
        match node.op:
            case int_ops.Quantize():
                yield node.output, node.inputs[0].name
            case _ if len(read) == 1 and isinstance(read[0].op, int_ops.Dequantize):
                yield node.output, read[0].name
            case _:
                yield node.output, node.name


def weights(program: Program, reference: Graph[FloatOp] | None) -> Iterator[Tensor]:
    """Every weight of a layer that is stored as codes, in execution order.

    Args:
        program: The quantized network.
        reference: The float network whose weights were quantized, where it is known.
    """
    made = program.producers()
    layers = {} if reference is None else _by_weight(reference)
    stored = [(node, _stored(node, made, program.constants)) for node in program.nodes]
    known = {found[0]: (node, *found) for node, found in stored if found is not None}
    most = most_channels(len(known))
    for node, name, codes, params in known.values():
        real = params.dequantize(codes)
        original = None
        if reference is not None and name in layers:
            weight = reference.constants[name]
            if isinstance(node.op, _LAYERS):  # others keep the float network's layout
                weight = kernel_layout(weight, layers[name].op)
            original = weight if _same(weight, real) else None
        yield _weight(name, codes, params, original, most)


def _stored(
    node: Node[int_ops.IntOp],
    made: Mapping[str, Node[int_ops.IntOp]],
    constants: Mapping[str, Array],
) -> tuple[str, Codes, QuantParams] | None:
    """(name, codes, parameters) of the weight that a layer reads, if it has one."""
    if len(node.inputs) < 2:
        return None
    value = node.inputs[1]
    if isinstance(node.op, _LAYERS) and value.params is not None and value.name in constants:
        return value.name, constants[value.name], value.params
    unpacked = made.get(value.name)
    if unpacked is None or not isinstance(unpacked.op, int_ops.Dequantize):
        return None
    codes = unpacked.inputs[0].name
    return (codes, constants[codes], unpacked.op.params) if codes in constants else None


def _by_weight(graph: Graph[FloatOp]) -> dict[str, Node[FloatOp]]:
    return {
        node.inputs[1].name: node
        for node in graph.nodes
        if len(node.inputs) > 1 and node.inputs[1].name in graph.constants
    }


def _same(weight: Array, real: F32) -> bool:
    """Whether the codes were made of this weight, and not of what a recipe made of it."""
    return weight.shape == real.shape and sqnr_db(real, weight) >= _SAME_WEIGHT


def most_channels(weights: int) -> int:
    """How many channels are kept of each of so many weights."""
    return max(8, min(MOST_CHANNELS, _ALL_CHANNELS // max(weights, 1)))


def _weight(
    name: str, codes: Codes, params: QuantParams, original: Array | None, most: int
) -> Tensor:
    real = params.dequantize(codes)
    shown = real if original is None else original
    params = _of_use(params, real)
    grid = _grid(params)
    low, high = float(shown.min()), float(shown.max())
    return Tensor(
        name=name,
        kind="weight",
        shape=describe(codes.shape),
        format=str(params.format),
        grid=grid,
        seen=None if original is None else (low, high),
        clipped=None if original is None else _outside(original, params),
        sqnr_db=None if original is None else sqnr_db(real, original),
        histogram=_histogram(shown, low, high),
        channel_count=codes.shape[0],
        channels=_channels(shown, params, most),
    )


def _of_use(params: QuantParams, real: F32) -> QuantParams:
    """Channels of zeros, whose scale says nothing, get the finest of the others'."""
    idle = ~real.reshape(len(real), -1).any(axis=1)
    scale = params.scale
    if scale.size < 2 or len(scale) != len(real) or idle.all() or not idle.any():
        return params
    column = idle.reshape(-1, *(1,) * (scale.ndim - 1))
    return replace(params, scale=np.where(column, scale[~idle].min(), scale))


def _histogram(values: Array, low: float, high: float) -> Histogram:
    bins = min(MOST_BINS, max(8, values.size // 4))
    counts, edges = np.histogram(values, bins, (low, high) if low < high else (low - 1, low + 1))
    return Histogram(float(edges[0]), float(edges[1] - edges[0]), _shares(counts))


def _shares(counts: Array) -> tuple[float, ...]:
    return tuple((counts / max(int(counts.sum()), 1)).tolist())


def _extremes(params: QuantParams) -> tuple[F64, F64, float]:
    """Lowest and highest real number of each scale, and the finest step of all."""
    values = params.format.decode(params.format.codes()).astype(np.float64)
    values = np.unique(values[np.isfinite(values)])
    scale = params.scale.astype(np.float64)
    low, high = (values[0] - params.offset) * scale, (values[-1] - params.offset) * scale
    return low, high, float(np.diff(values).min() * scale.min())


def _grid(params: QuantParams) -> Grid:
    low, high, step = _extremes(params)
    single = params.zero_point is not None and params.scale.size == 1
    return Grid(
        low=float(low.min()),
        high=float(high.max()),
        step=step,
        levels=len(params.format.codes()),
        scales=int(params.scale.size),
        zero_point=int(params.offset.reshape(-1)[0]) if single else None,
    )


def _outside(values: Array, params: QuantParams) -> float:
    """The share of values more than half a step away from their own grid."""
    low, high, _ = _extremes(params)
    half = params.scale.astype(np.float64) / 2
    below = values < stretch(low - half, values.shape)
    return float((below | (values > stretch(high + half, values.shape))).mean())


def _channels(values: Array, params: QuantParams, most: int) -> tuple[Channel, ...]:
    """Of so many channels at most, from the widest range to the narrowest, both with it."""
    rows = values.reshape(len(values), -1)
    five = np.quantile(rows, (0, 0.25, 0.5, 0.75, 1), axis=1).T
    low, high = (_of_channels(end, values.shape) for end in _extremes(params)[:2])
    widest = np.argsort(-np.abs(rows).max(axis=1), kind="stable")
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(int)
    return tuple(
        Channel(int(i), *_five(five[i]), float(low[i].min()), float(high[i].max()))
        for i in widest[chosen]
    )


def _five(numbers: F64) -> tuple[float, float, float, float, float]:
    a, b, c, d, e = map(float, numbers)
    return a, b, c, d, e


def _of_channels(ends: F64, shape: tuple[int, ...]) -> F64:
    """The ends of each channel's grids, (channels, scales of a channel)."""
    if ends.ndim == 0:
        return np.broadcast_to(ends, (shape[0], 1))
    return np.broadcast_to(ends, (shape[0], *ends.shape[1:])).reshape(shape[0], -1)


class Counted:
    """Counts of one value's float numbers in fine bins."""

    def __init__(self, counts: Array, lower: F64, upper: F64, low: float, high: float) -> None:
        self._counts, self._lower, self._upper = counts, lower, upper
        self.low, self.high = low, high

    def histogram(self) -> Histogram:
        """In at most `MOST_BINS` bins, each of a whole number of fine ones."""
        width = float(self._upper[-1] - self._lower[-1])
        first, last = int(np.floor(self.low / width)), int(np.ceil(self.high / width))
        together = max(1, -(-(last - first) // MOST_BINS))
        bins = max(1, -(-(last - first) // together))
        edges = (first + together * np.arange(bins + 1)) * width
        centres = np.clip((self._lower + self._upper) / 2, edges[0], edges[-1])
        counts, _ = np.histogram(centres, edges, weights=self._counts)
        return Histogram(float(edges[0]), together * width, _shares(counts))

    def outside(self, grid: Grid) -> float:
        """The share of numbers that saturate."""
        beyond = (self._upper <= grid.low - grid.step / 2) | (
            self._lower >= grid.high + grid.step / 2
        )
        return float(self._counts[beyond].sum() / max(int(self._counts.sum()), 1))


def _seen(counted: Counted | None) -> tuple[float, float] | None:
    return None if counted is None else (counted.low, counted.high)
