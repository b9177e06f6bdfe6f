"""Which noise uniform rounding will add to each layer, predicted from scales and signal powers.

Sheng et al. 2018, "A quantization-friendly separable convolution for MobileNets", section 3: codes
of step d (the scale) add noise of power d**2 / 12, independent of the signal, so that a tensor has

    SQNR = 10 log10(E[x**2] / (d**2 / 12)).

Noise that a layer reads goes through it, and its weights add their own. With powers N of noise,
each of a channel, and of a weight w of step d_w,

1. convolution, linear layer:  N_y = sum over taps of (w**2 N_x + d_w**2 / 12 E[x**2]);
2. ReLU and clamps:            N_y = N_x times the share of numbers that they leave alone;
3. sums:                       N_y = N_a + N_b;   means of n numbers:  N_y = N_x / n;
4. anything else: relative noise adds up, N_y / E[y**2] = sum over inputs of N_x / E[x**2];

and d_y**2 / 12 comes to N_y where the output is rounded to codes of its own (of a clamp for the
share that it leaves alone: its bounds have codes). Powers E[x**2] are measured on samples.

The model says which of weights, rounding and earlier layers a network's noise is from, without
running it in integers; `layer_noise` measures. It knows nothing of what a range cuts off,
overestimates weights far below their step, which become 0, and underestimates means: the noise of
weights is not another one at each place.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from intact.diagnosis.signal_power import Power, signal_powers
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node
from intact.metrics import decibel
from intact.model import QuantizedModel
from intact.numerics.arrays import F64
from intact.numerics.formats import Int
from intact.numerics.granularity import stretch
from intact.numerics.qtensor import QuantParams, ScaledTensor, scalar_scale
from intact.passes.placement import HasWeight, placement, resolve
from intact.ptq import Batch, Progress, silent

_MOVES = (
    ops.MaxPool, ops.ResizeNearest, ops.Pad, ops.Reshape, ops.Permute, ops.Slice, ops.Expand,
    ops.Dropout,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PredictedNoise:
    """Signal to noise of a layer in decibels; nan where there is no such noise.

    `weight_db` is of the weight, `rounding_db` of the output's codes alone (a layer whose
    activation is fused has none of its own), `sqnr_db` of all noise up to here.
    """

    name: str
    op: str
    weight_db: float
    rounding_db: float
    sqnr_db: float


def predicted_noise(
    model: QuantizedModel, batches: Iterable[Batch], progress: Progress = silent
) -> tuple[PredictedNoise, ...]:
    """The inputs and layers of a quantized network in execution order.

    Args:
        model: The network; its integers are not computed.
        batches: Samples, of which 16 to 32 are enough.
        progress: Told of "measuring signals" and the number of samples.

    Raises:
        CalibrationError: if there are no samples, or one does not fit the network's inputs.
    """
    powers = signal_powers(model.graph, batches, progress)
    prediction = _Prediction(model, powers)
    for value in model.graph.inputs:
        if value.name in powers:
            prediction.add(value.name, "Input", math.nan, np.zeros_like(powers[value.name].signal))
    for node in model.graph.nodes:
        if node.name in powers:
            prediction.visit(node)
    return tuple(prediction.found)


class _Prediction:
    """The powers of noise so far, by value."""

    def __init__(self, model: QuantizedModel, powers: dict[str, Power]) -> None:
        self.model, self.powers = model, powers
        static = {n: p for n, p in model.activations.items() if isinstance(p, QuantParams)}
        self.params = resolve(placement(model.graph), static)
        self.noise: dict[str, F64] = {}  # (C,), by value name
        self.found: list[PredictedNoise] = []

    def visit(self, node: Node[FloatOp]) -> None:
        """Adds a node's output."""
        through = self._through(node)
        weight = node.inputs[1].name if isinstance(node.op, HasWeight) else ""
        weight_db = -_db(self._weight_ratio(weight)) if weight in self.model.weights else math.nan
        rounded = not isinstance(node.op, _MOVES)
        self.add(node.name, type(node.op).__name__, weight_db, through, rounded=rounded)

    def add(
        self, name: str, op: str, weight_db: float, through: F64, *, rounded: bool = True
    ) -> None:
        """Adds a value that noise `through` reaches, with its own rounding."""
        power = self.powers[name].signal
        own = self._rounding(name) * self.powers[name].kept if rounded else np.zeros(1)
        self.noise[name] = through + own
        self.found.append(
            PredictedNoise(
                name,
                op,
                weight_db,
                decibel(float(power.mean()), float(own.mean())) if own.any() else math.nan,
                decibel(float(power.mean()), float(self.noise[name].mean())),
            )
        )

    def _rounding(self, name: str) -> float:
        params = self.params.get(name)
        if params is None or not isinstance(params.format, Int):
            return 0.0
        return scalar_scale(params) ** 2 / 12

    def _through(self, node: Node[FloatOp]) -> F64:
        """The noise that comes from the node's inputs and its weight."""
        power = self.powers[node.name]
        match node.op:
            case ops.Conv(groups=groups):
                return self._layer(node, groups)
            case ops.Linear() if len(node.output.shape) == 2:
                return self._layer(node, 1)
            case ops.Relu() | ops.Clamp() | ops.ChannelClamp():
                return self.noise[node.inputs[0].name] * power.kept
            case ops.Add() | ops.Sub():
                return sum(self._inputs(node, power), np.zeros_like(power.signal))
            case ops.AvgPool() | ops.AdaptiveAvgPool() | ops.Mean():
                return _fitted(self._inputs(node, power)[0], power) / _averaged(node)
            case _ if isinstance(node.op, _MOVES):
                return _fitted(self._inputs(node, power)[0], power)
            case _:
                return power.signal * self._relative(node)

    def _inputs(self, node: Node[FloatOp], power: Power) -> list[F64]:
        """Noise of the inputs that are computed, and of constants that have codes."""
        found = []
        for value in node.inputs:
            if value.name in self.noise:
                found.append(_fitted(self.noise[value.name], power))
            elif value.name in self.params:
                found.append(np.full_like(power.signal, self._rounding(value.name)))
        return found

    def _layer(self, node: Node[FloatOp], groups: int) -> F64:
        x, weight = node.inputs[0].name, node.inputs[1].name
        kernel = self.model.graph.constants[weight].astype(np.float64)
        taps = kernel.reshape(*kernel.shape[:2], -1)  # (O, I / groups, taps)
        steps = np.broadcast_to(self._weight_noise(weight), kernel.shape).reshape(taps.shape)
        read = _by_group(self.noise[x], groups, taps)
        signal = _by_group(self.powers[x].signal, groups, taps)
        return np.asarray((np.square(taps).sum(2) * read + steps.sum(2) * signal).sum(axis=1))

    def _weight_noise(self, name: str) -> F64:
        """d_w**2 / 12 of each number of a weight, or 0."""
        weight = self.model.weights.get(name)
        if not isinstance(weight, ScaledTensor) or not isinstance(weight.params.format, Int):
            return np.zeros(())
        scale = stretch(weight.params.scale, weight.codes.shape).astype(np.float64)
        return np.asarray(scale**2 / 12)

    def _weight_ratio(self, name: str) -> float:
        """Noise to signal of a weight."""
        square = float(np.square(self.model.graph.constants[name].astype(np.float64)).mean())
        return float(self._weight_noise(name).mean()) / square if square else 0.0

    def _relative(self, node: Node[FloatOp]) -> float:
        """Noise to signal of the inputs and the weight, added up."""
        total = 0.0
        for value in node.inputs:
            if value.name in self.noise:
                signal = float(self.powers[value.name].signal.mean())
                total += float(self.noise[value.name].mean()) / signal if signal else 0.0
            elif value.name in self.model.weights:
                total += self._weight_ratio(value.name)
        return total


def _db(ratio: float) -> float:
    return 10 * math.log10(ratio) if ratio else -math.inf


def _fitted(noise: F64, power: Power) -> F64:
    """Noise of as many channels as the value has; the mean where they are not the same ones."""
    if noise.shape == power.signal.shape:
        return noise
    return np.full_like(power.signal, noise.mean())


def _by_group(channels: F64, groups: int, taps: F64) -> F64:
    """(C,) as (O, C / groups): what each output channel reads."""
    outputs = taps.shape[0] // groups
    return np.repeat(channels.reshape(groups, -1), outputs, axis=0)


def _averaged(node: Node[FloatOp]) -> float:
    """How many numbers go into each mean."""
    match node.op:
        case ops.AvgPool(kernel):
            return math.prod(kernel)
        case ops.Mean(axes):
            return math.prod(_fixed(node.inputs[0].shape[axis] for axis in axes))
        case _:
            before, after = (math.prod(_fixed(v.shape[2:])) for v in (node.inputs[0], node.output))
            return max(1.0, before / after)


def _fixed(sizes: Iterable[int]) -> Sequence[int]:
    return [size for size in sizes if size > 0]
