"""The number formats: each a finite grid of values with codes (doc/arithmetic.md, section 1).

A format says which *values* exist and how each is stored as a *code*. What a value means in real
units (scale, zero point) is the business of `QuantParams`. The set is closed: functions over
formats use ``match`` and ``assert_never``.

NaN has no code in any format: `encode` raises ValueError for it, and infinity saturates.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from intact.numerics.arrays import F32, Array, Codes
from intact.numerics.floats import Float as Float  # with the other formats
from intact.numerics.floats import numbers_of


@dataclass(frozen=True, slots=True)
class Int:
    """Uniform grid of the integers qmin..qmax; the code is the value.

    2 to 16 bits quantize; 1 (unsigned: booleans), 32 and 64 bits are storage for masks, biases and
    indices.
    """

    bits: int
    signed: bool = True
    narrow: bool = False  # drop the lowest code, so that -qmin == qmax

    def __post_init__(self) -> None:
        if not (1 <= self.bits <= 16 or self.bits in (32, 64)):
            raise ValueError(f"Int has 1 to 16, 32 or 64 bits, not {self.bits}")
        if self.narrow and not self.signed:
            raise ValueError("narrow drops the lowest signed code; this Int is unsigned")
        if self.bits == 1 and self.signed:
            raise ValueError("a signed 1-bit Int has no positive value; use Binary()")

    @property
    def qmin(self) -> int:
        """Lowest value."""
        return -(1 << (self.bits - 1)) + int(self.narrow) if self.signed else 0

    @property
    def qmax(self) -> int:
        """Highest value."""
        return (1 << (self.bits - int(self.signed))) - 1

    @property
    def storage(self) -> np.dtype[np.generic]:
        """NumPy type that holds one code in memory; files pack codes to `bits`."""
        width = next(w for w in (8, 16, 32, 64) if w >= self.bits)
        return np.dtype(f"{'' if self.signed else 'u'}int{width}")

    def codes(self) -> Codes:
        """Every code in increasing order; tests walk them all (up to 16 bits)."""
        if self.bits > 16:
            raise ValueError(f"{self} has too many codes to list")
        return np.arange(self.qmin, self.qmax + 1, dtype=self.storage)

    def decode(self, codes: Codes) -> F32:
        """Value of each code."""
        return codes.astype(np.float32)

    def encode(self, values: Array) -> Codes:
        """Code of the nearest value; ties to even, out of range saturates."""
        numbers = np.rint(numbers_of(values))
        if self.bits <= 16:
            return np.clip(numbers, self.qmin, self.qmax).astype(self.storage)
        # Of 64 bits, the largest float64 that is a code.
        highest = min(float(self.qmax), math.nextafter(2.0 ** (self.bits - int(self.signed)), 0))
        return np.clip(numbers.astype(np.float64), self.qmin, highest).astype(self.storage)

    def __str__(self) -> str:
        """Short name, as printed in tables: ``int8``, ``uint4``."""
        return f"{'' if self.signed else 'u'}int{self.bits}"


@dataclass(frozen=True, slots=True)
class Binary:
    """The values -1 and +1, with codes 0 and 1; sign(0) = +1 (Hubara et al. 2016)."""

    @property
    def bits(self) -> int:
        """Bits of one code."""
        return 1

    @property
    def storage(self) -> np.dtype[np.generic]:
        """NumPy type that holds one code in memory."""
        return np.dtype(np.int8)

    def codes(self) -> Codes:
        """Every code in increasing order of value."""
        return np.array([0, 1], dtype=self.storage)

    def decode(self, codes: Codes) -> F32:
        """Value of each code."""
        return codes.astype(np.float32) * 2 - 1

    def encode(self, values: Array) -> Codes:
        """Code of the nearest value."""
        return (numbers_of(values) >= 0).astype(self.storage)

    def __str__(self) -> str:
        """Short name, as printed in tables."""
        return "binary"


@dataclass(frozen=True, slots=True)
class MidRise:
    """The odd integers -(2**bits - 1) .. 2**bits - 1, with codes 0 .. 2**bits - 1: no zero.

    Steps of 2 around 0, so that there are as many positive values as negative ones: the weights of
    DoReFa-Net (2 q_k(x) - 1 = value / (2**bits - 1); Zhou et al. 2016). Binary is that of one bit.
    """

    bits: int

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 7:
            raise ValueError(f"MidRise has 2 to 7 bits, not {self.bits}")

    @property
    def largest(self) -> int:
        """Highest value."""
        return (1 << self.bits) - 1

    @property
    def storage(self) -> np.dtype[np.generic]:
        """NumPy type that holds one code in memory."""
        return np.dtype(np.int8)

    def codes(self) -> Codes:
        """Every code in increasing order of value."""
        return np.arange(1 << self.bits, dtype=self.storage)

    def decode(self, codes: Codes) -> F32:
        """Value of each code."""
        return codes.astype(np.float32) * 2 - self.largest

    def encode(self, values: Array) -> Codes:
        """Code of the nearest value; ties to the higher one, as sign(0) = +1."""
        steps: Array = np.floor(np.floor(numbers_of(values)) / 2) + (1 << (self.bits - 1))
        return np.clip(steps, 0, self.largest).astype(self.storage)

    def __str__(self) -> str:
        """Short name, as printed in tables."""
        return f"midrise-{self.bits}"


@dataclass(frozen=True, slots=True)
class Ternary:
    """The values -1, 0 and +1; the code is the value."""

    @property
    def bits(self) -> int:
        """Bits of one code."""
        return 2

    @property
    def storage(self) -> np.dtype[np.generic]:
        """NumPy type that holds one code in memory."""
        return np.dtype(np.int8)

    def codes(self) -> Codes:
        """Every code in increasing order."""
        return np.array([-1, 0, 1], dtype=self.storage)

    def decode(self, codes: Codes) -> F32:
        """Value of each code."""
        return codes.astype(np.float32)

    def encode(self, values: Array) -> Codes:
        """Code of the nearest value; ties to even."""
        return np.clip(np.rint(numbers_of(values)), -1, 1).astype(self.storage)

    def __str__(self) -> str:
        """Short name, as printed in tables."""
        return "ternary"


@dataclass(frozen=True, slots=True)
class PowerOfTwo:
    """Zero and the signed powers of two 2**0, 2**-1, ..., 2**-(2**(bits-1) - 2).

    Code 0 is zero; code ±c is ±2**(1 - c), so a small code is a large value.
    """

    bits: int

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 5:
            raise ValueError(f"PowerOfTwo has 2 to 5 bits, not {self.bits}")

    @property
    def lowest_exponent(self) -> int:
        """Exponent of the smallest positive value."""
        return 2 - (1 << (self.bits - 1))

    @property
    def storage(self) -> np.dtype[np.generic]:
        """NumPy type that holds one code in memory."""
        return np.dtype(np.int8)

    def codes(self) -> Codes:
        """Every code in increasing order of value."""
        top = (1 << (self.bits - 1)) - 1
        negative = -np.arange(1, top + 1)
        return np.concatenate([negative, [0], np.arange(top, 0, -1)]).astype(self.storage)

    def decode(self, codes: Codes) -> F32:
        """Value of each code."""
        magnitude: F32 = np.ldexp(np.float32(1), 1 - np.abs(codes.astype(np.int32)))
        signs: F32 = np.sign(codes).astype(np.float32)
        return signs * magnitude

    def encode(self, values: Array) -> Codes:
        """Code of the nearest value; ties to the value of smaller magnitude."""
        numbers = numbers_of(values)
        codes = self.codes()
        rising = codes[len(codes) // 2 :]  # 0 and the positive ones, in increasing order of value
        levels = self.decode(rising)
        middles = (levels[1:] + levels[:-1]) / 2
        nearest = rising[np.searchsorted(middles, np.abs(numbers))]
        return np.where(numbers < 0, -nearest, nearest)

    def __str__(self) -> str:
        """Short name, as printed in tables."""
        return f"pow2-{self.bits}"


Format: TypeAlias = Int | Float | Binary | MidRise | Ternary | PowerOfTwo

FP32 = Float(8, 23)
FP16 = Float(5, 10)
BF16 = Float(8, 7)
E4M3 = Float(4, 3, finite_only=True)
E5M2 = Float(5, 2)
