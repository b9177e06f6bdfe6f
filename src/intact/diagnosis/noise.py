"""Signal to quantization noise ratio of each layer of a quantized network.

For a value x of the float network and what the quantized network has in its place, x',

    SQNR = 10 log10(sum of x**2 / sum of (x' - x)**2),

over all elements of all samples (Sheng et al. 2018, "A quantization-friendly separable convolution
for MobileNets", section 3).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from intact.diagnosis.walk import Walk
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.int_ops import Program
from intact.metrics import decibel
from intact.numerics.arrays import Array
from intact.ptq import Batch, Progress, silent

_SHOWN_DB = 60.0  # an SQNR without any bar: nobody needs more


@dataclass(frozen=True, slots=True)
class LayerNoise:
    """How clean the output of a layer is, in decibels; higher is better, inf without any noise.

    `sqnr_db` is about all that was quantized up to here. `own_sqnr_db` is about this layer alone,
    reading the float network's values: the rounding of its weights and of its output, and what its
    output's range cuts off. It is nan where the float network has no layer to compare with.
    """

    name: str  # in the float network
    op: str  # of the Program
    sqnr_db: float
    own_sqnr_db: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums of squares; those of several batches add up."""

    signal: float = 0.0
    noise: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        """Of both."""
        return Tally(self.signal + other.signal, self.noise + other.noise)

    @property
    def db(self) -> float:
        """The ratio; 0/0, a value that is always 0, has no noise."""
        return decibel(self.signal, self.noise)


def tally(quantized: Array, real: Array) -> Tally:
    """Of one batch's arrays of equal shape."""
    wide = real.astype(np.float64)
    return Tally(float(np.vdot(wide, wide)), float(((quantized - wide) ** 2).sum()))


def layer_noise(
    reference: Graph[FloatOp],
    program: Program,
    batches: Iterable[Batch],
    progress: Progress = silent,
) -> tuple[LayerNoise, ...]:
    """The noise of each layer in execution order; 16 to 32 samples are enough.

    Args:
        reference: The float network that was quantized, without BatchNorm (`for_inference`), after
            what its recipe did to it `before` (`Quantized.reference`).
        program: What it became; its values have the reference's names.
        batches: Samples, which are run in pieces that take little memory.
        progress: Told of "measuring layers" and the number of samples.

    Raises:
        CalibrationError: if a batch does not fit the network's inputs.
    """
    walk = Walk(reference, program)
    total = {name: Tally() for name, _ in walk.layers}
    own: dict[str, Tally] = {}
    done = 0
    for piece in walk.runs(batches):
        for layer in piece.layers:
            total[layer.name] += tally(layer.quantized, layer.real)
            if layer.alone is not None and layer.alone_real is not None:
                before = own.get(layer.name, Tally())
                own[layer.name] = before + tally(layer.alone, layer.alone_real)
        done += piece.samples
        progress("measuring layers", done)
    return tuple(
        LayerNoise(
            name,
            type(node.op).__name__,
            total[name].db,
            own[name].db if name in own else math.nan,
        )
        for name, node in walk.layers
    )


def bars(noises: Sequence[LayerNoise], width: int = 30) -> str:
    """Noise to signal of each layer as text: a longer bar is more noise.

    The bar is all noise up to there, its dark part the layer's own; 10 dB are a tenth of the power.
    """
    names = max((len(noise.name) for noise in noises), default=0)
    return "\n".join(
        f"{noise.name:<{names}}  {_bar(noise, width):<{width}}  {_db(noise.sqnr_db)}"
        f"  own {_db(noise.own_sqnr_db)}"
        for noise in noises
    )


def _bar(noise: LayerNoise, width: int) -> str:
    own, total = _length(noise.own_sqnr_db, width), _length(noise.sqnr_db, width)
    return "█" * min(own, total) + "░" * max(0, total - own)


def _length(db: float, width: int) -> int:
    return 0 if math.isnan(db) else round(width * (1 - min(max(db, 0.0), _SHOWN_DB) / _SHOWN_DB))


def _db(db: float) -> str:
    return "   none" if math.isnan(db) else "  exact" if db == math.inf else f"{db:4.1f} dB"
