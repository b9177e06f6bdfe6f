"""What samples show of each layer: how much noise it makes, of which kind, and what that costs.

The noise of a layer alone has three parts:

- clipping: that of numbers beyond the range of its output's codes,
- rounding of its output: step**2 / 12 for each other number that is not exactly a code,
- the rest, which is that of its weights.

What the layer costs the network is measured, not estimated: its own noise is added to its value in
the float network, and the outputs are compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from intact.diagnosis.noise import Tally, tally
from intact.diagnosis.walk import LayerRun, Piece, Walk, disturbed
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import F64, Array
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams, scalar_scale, scalar_zero_point
from intact.ptq import Batch, Progress, silent

_CHANNELS_AT_1 = (
    int_ops.QConv2d, int_ops.QConvTranspose2d, int_ops.DynamicConv2d, ops.Conv, ops.ConvTranspose,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grid:
    """The range and the step of an activation's codes."""

    low: float
    high: float
    step: float
    bits: int


def grid(params: QuantParams | None) -> Grid | None:
    """What an activation's codes can say; None of real numbers."""
    if params is None or not isinstance(params.format, Int) or params.scale.size != 1:
        return None
    step, zero_point, format = scalar_scale(params), scalar_zero_point(params), params.format
    return Grid(
        step * (format.qmin - zero_point), step * (format.qmax - zero_point), step, format.bits
    )


@dataclass(slots=True)
class Evidence:
    """What was seen of one layer; arrays have an entry for each channel of its output."""

    name: str
    node: Node[IntOp]
    total: Tally = field(default_factory=Tally)
    own: Tally = field(default_factory=Tally)
    clipping: float = 0.0  # parts of the own noise
    rounding: float = 0.0
    shift: float = 0.0  # the part of it that is a channel's mean error, clipping left out
    clipped: int = 0  # numbers beyond the grid
    count: int = 0  # of all numbers
    low: F64 = field(default_factory=lambda: np.zeros(0))  # of the float network's values
    high: F64 = field(default_factory=lambda: np.zeros(0))
    square: F64 = field(default_factory=lambda: np.zeros(0))  # sums
    error: F64 = field(default_factory=lambda: np.zeros(0))  # sums of the own error
    vanished: int = 0  # numbers that are not 0, but less than half a step
    vanished_sum: float = 0.0  # of |x|
    absolute_sum: float = 0.0
    outputs: Tally = field(default_factory=Tally)  # of the network, with this noise alone

    @property
    def grid(self) -> Grid | None:
        """Of its output."""
        return grid(self.node.output.params)

    @property
    def weights(self) -> float:
        """The part of the own noise that comes from neither end of the grid nor its steps."""
        return max(0.0, self.own.noise - self.clipping - self.rounding)

    @property
    def magnitude(self) -> F64:
        """The largest |x| of each channel."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def seen(self) -> tuple[float, float]:
        """Smallest and largest number."""
        return float(self.low.min()), float(self.high.max())

    def add(self, layer: LayerRun) -> None:
        """One more piece of samples."""
        self.total += tally(layer.quantized, layer.real)
        rows = by_channel(layer.real, self.node)
        low, high = rows.min(axis=1).astype(np.float64), rows.max(axis=1).astype(np.float64)
        first = not self.low.size
        self.low = low if first else np.minimum(self.low, low)
        self.high = high if first else np.maximum(self.high, high)
        square = (rows.astype(np.float64) ** 2).sum(axis=1)
        self.square = square if first else self.square + square
        self.count += layer.real.size
        self._add_small(layer.real)
        if layer.alone is not None and layer.alone_real is not None:
            self._add_own(layer.alone, layer.alone_real)

    def _add_small(self, real: Array) -> None:
        found = self.grid
        absolute = np.abs(real)
        self.absolute_sum += float(absolute.sum(dtype=np.float64))
        if found is not None:
            small = absolute[(absolute < found.step / 2) & (absolute > 0)]
            self.vanished += small.size
            self.vanished_sum += float(small.sum(dtype=np.float64))

    def _add_own(self, alone: Array, real: Array) -> None:
        self.own += tally(alone, real)
        error = alone.astype(np.float64) - real
        found = self.grid
        if found is not None:
            margin = found.step / 2
            beyond = (real > found.high + margin) | (real < found.low - margin)
            self.clipped += int(np.count_nonzero(beyond))
            self.clipping += float((error[beyond] ** 2).sum())
            rounded = np.count_nonzero((real != 0) & ~beyond)
            self.rounding += float(rounded) * found.step**2 / 12
            error = np.where(beyond, 0.0, error)
        sums = by_channel(error, self.node).sum(axis=1)
        self.error = sums if not self.error.size else self.error + sums
        self.shift = float((self.error**2).sum()) / max(1, self.count // len(self.error))


def by_channel(x: Array, node: Node[IntOp]) -> Array:
    """(channels, numbers) of a value of the float network that a node of the Program writes."""
    if x.ndim < 2:
        return x.reshape(1, -1)
    at_1 = x.ndim in (2, 4) or isinstance(node.op, _CHANNELS_AT_1)
    moved = np.moveaxis(x, 1 if at_1 else -1, 0)
    return moved.reshape(len(moved), -1)


@dataclass(frozen=True, slots=True)
class Examination:
    """What all samples show of a network."""

    layers: tuple[Evidence, ...]  # in execution order
    outputs: Tally  # of the quantized network
    samples: int


def examine(
    walk: Walk, batches: Iterable[Batch], progress: Progress = silent, *, most_injected: int = 4
) -> Examination:
    """Runs the samples; of the first `most_injected`, also what each layer's noise alone costs.

    Raises:
        CalibrationError: if a batch does not fit the network's inputs.
    """
    layers = {name: Evidence(name, node) for name, node in walk.layers}
    outputs, done, injected = Tally(), 0, 0
    names = walk.output_layers
    for piece in walk.runs(batches):
        injecting = injected < most_injected
        clean = disturbed(walk.module, piece.inputs, {}) if injecting else []
        for number, layer in enumerate(piece.layers):
            found = layers[layer.name]
            found.add(layer)
            if layer.name in names:
                outputs += tally(layer.quantized, layer.real)
            if injecting:
                found.outputs += _cost(walk, piece, layer, clean)
                progress("measuring layers", number, len(layers))
        injected += piece.samples
        done += piece.samples
        progress("measuring samples", done)
    return Examination(tuple(layers.values()), outputs, done)


def _cost(walk: Walk, piece: Piece, layer: LayerRun, clean: list[Array]) -> Tally:
    """The noise of the outputs if only this layer makes some."""
    if layer.alone is None or layer.alone_real is None:
        return Tally()
    error = np.asarray(layer.alone - layer.alone_real, np.float32)
    if not error.any():
        return sum((tally(x, x) for x in clean), Tally())
    outputs = disturbed(walk.module, piece.inputs, {layer.name: error})
    return sum((tally(x, y) for x, y in zip(outputs, clean, strict=True)), Tally())
