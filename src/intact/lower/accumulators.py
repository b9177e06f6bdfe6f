"""How wide and how fine a layer's accumulator is (arithmetic.md, sections 3 and 14)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from intact.lower.requant import reach
from intact.numerics.arrays import F64
from intact.numerics.formats import Format, Int
from intact.numerics.integers import integer_range
from intact.numerics.qtensor import QuantParams, scalar_scale

_INT8 = Int(8)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a layer adds up, for each of its output channels (O,)."""

    integers: F64  # the sum of |weight integer - zero point|
    scale: F64  # real = scale * integer
    source: QuantParams
    bias: F64  # real

    @property
    def reach(self) -> F64:
        """The largest |sum of products|."""
        return self.integers * float(reach(self.source))

    def unit(self, shift: int) -> F64:
        """The real number of one unit of the accumulator."""
        return self.scale * scalar_scale(self.source) / 2.0**shift

    def bits(self, shift: int) -> Literal[32, 64]:
        """Bits that hold every sum (eq. 19)."""
        if self.source.format.bits > 8:
            return 64
        sums = self.reach * 2.0**shift
        return 32 if (sums + np.abs(self.bias) / self.unit(shift) < 2.0**31 - 1).all() else 64

    def shift(self, finest: int) -> int:
        """The largest shift up to `finest` with which 32 bits hold every sum."""
        return next((n for n in range(finest, 0, -1) if self.bits(n) == 32), 0)


def finest_shift(format: Format, zero_point: tuple[int, ...] | None, source: QuantParams) -> int:
    """Bits by which a weight's integers can be shifted so that int8 holds them.

    None where TFLite has the layer, 4-bit weights and 8-bit codes, nor for codes beyond 8 bits,
    whose own steps are fine enough.
    """
    tflite = isinstance(format, Int) and format.bits == 4 and source.format.bits == 8
    if tflite or source.format.bits > 8:
        return 0
    offsets = zero_point or (0,)
    low, high = integer_range(format)
    low, high = low - max(offsets), high - min(offsets)
    fitting = [n for n in range(8) if _INT8.qmin <= low << n and high << n <= _INT8.qmax]
    return max(fitting, default=0)
