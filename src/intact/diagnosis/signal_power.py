"""How strong each value of a float network is, channel by channel."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from intact.capture.module import from_graph
from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.arrays import F64
from intact.ptq import Batch, Progress, silent
from intact.ptq.samples import streamed

_Clamping = ops.Relu | ops.Clamp | ops.ChannelClamp


@dataclass(frozen=True, slots=True)
class Power:
    """Of a value's channels, (C,) along axis 1; (1,) where it has one axis only."""

    signal: F64  # E[x**2]
    kept: F64  # the share of numbers that a clamp leaves as they are; 1 for what is no clamp


def signal_powers(
    graph: Graph[FloatOp], batches: Iterable[Batch], progress: Progress = silent
) -> dict[str, Power]:
    """The powers of every value of real numbers, by name.

    Raises:
        CalibrationError: if there are no samples, or one does not fit the network's inputs.
    """
    sums = _Sums(graph)
    module = from_graph(graph).eval()
    done = 0
    with torch.inference_mode():
        for inputs, samples in streamed(graph, batches):
            module.run(inputs, sums.see)
            done += samples
            progress("measuring signals", done)
    if not done:
        raise CalibrationError("there are no calibration samples; give at least one batch")
    return sums.powers()


class _Sums:
    def __init__(self, graph: Graph[FloatOp]) -> None:
        self._clamps: dict[str, list[str]] = {}  # by what they read
        for node in graph.nodes:
            if isinstance(node.op, _Clamping):
                self._clamps.setdefault(node.inputs[0].name, []).append(node.name)
        self._read: dict[str, Tensor] = {}  # by clamps that are still to come
        self._squares: dict[str, Tensor] = {}
        self._kept: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def see(self, name: str, x: Tensor) -> None:
        """Adds a value of one piece of the samples."""
        if not x.is_floating_point():
            return
        for clamp in self._clamps.get(name, ()):
            self._read[clamp] = x
        square = _by_channel(x.square())
        kept = torch.full_like(square, x.numel() / len(square))
        if name in self._read:
            kept = _by_channel((x == self._read.pop(name)).to(x.dtype))
        self._squares[name] = self._squares.get(name, 0) + square
        self._kept[name] = self._kept.get(name, 0) + kept
        self._counts[name] = self._counts.get(name, 0) + x.numel() // len(square)

    def powers(self) -> dict[str, Power]:
        """The means."""
        return {
            name: Power(
                (square / self._counts[name]).numpy(),
                (self._kept[name] / self._counts[name]).numpy(),
            )
            for name, square in self._squares.items()
        }


def _by_channel(x: Tensor) -> Tensor:
    """Sums of each channel: of float32 within a piece, of float64 over pieces."""
    if x.ndim < 2:
        return x.sum().double().reshape(1)
    return x.sum([axis for axis in range(x.ndim) if axis != 1]).double()
