"""Floating-point formats, and the numbers that every format encodes."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from intact.numerics.arrays import F32, Array, Codes


def numbers_of(values: Array) -> Array:
    """The values in at least single precision, where every bound of 16 bits is exact.

    Raises:
        ValueError: if there is a NaN.
    """
    numbers = np.asarray(values, np.result_type(values, np.float32))
    if np.isnan(numbers).any():
        raise ValueError("NaN has no code")
    return numbers


# (exponent bits, mantissa bits, finite only) -> name, and storage: NumPy's or ml_dtypes'
_FLOATS: dict[tuple[int, int, bool], tuple[str, str]] = {
    (8, 23, False): ("fp32", "float32"),
    (5, 10, False): ("fp16", "float16"),
    (8, 7, False): ("bf16", "bfloat16"),
    (4, 3, True): ("e4m3", "float8_e4m3fn"),
    (5, 2, False): ("e5m2", "float8_e5m2"),
}


@cache
def _float_storage(name: str) -> np.dtype[np.generic]:
    if hasattr(np, name):
        return np.dtype(name)
    import ml_dtypes  # which is loaded only for networks that hold such numbers

    storage: np.dtype[np.generic] = np.dtype(getattr(ml_dtypes, name))
    return storage


@dataclass(frozen=True, slots=True)
class Float:
    """Floating-point grid; codes are stored as the ml_dtypes or NumPy type of the same bits.

    Use the constants `FP32`, `FP16`, `BF16`, `E4M3` and `E5M2`. Out of range saturates to the
    largest finite value, as hardware does on conversion of weights; NaN does not exist on the grid.
    """

    exponent: int
    mantissa: int
    finite_only: bool = False  # "fn": no infinities, one NaN; the top exponent holds values

    def __post_init__(self) -> None:
        if self._key not in _FLOATS:
            raise ValueError(
                f"no float format with {self.exponent} exponent and {self.mantissa} mantissa bits"
                f"{', finite only' if self.finite_only else ''};"
                " there are FP32, FP16, BF16, E4M3 and E5M2"
            )

    @property
    def _key(self) -> tuple[int, int, bool]:
        return self.exponent, self.mantissa, self.finite_only

    @property
    def bits(self) -> int:
        """Bits of one code."""
        return 1 + self.exponent + self.mantissa

    @property
    def storage(self) -> np.dtype[np.generic]:
        """NumPy type that holds one code."""
        return _float_storage(_FLOATS[self._key][1])

    @property
    def largest(self) -> float:
        """Largest finite value."""
        if self.finite_only:  # the last mantissa of the top exponent is NaN
            return math.ldexp(2 - math.ldexp(2, -self.mantissa), 1 << (self.exponent - 1))
        return math.ldexp(2 - math.ldexp(1, -self.mantissa), (1 << (self.exponent - 1)) - 1)

    def codes(self) -> Codes:
        """Every finite code in increasing order (formats of up to 16 bits)."""
        if self.bits > 16:
            raise ValueError(f"{self} has too many codes to list")
        patterns = np.arange(1 << self.bits, dtype=f"uint{self.bits}").view(self.storage)
        values = patterns.astype(np.float32)
        finite = np.isfinite(values)
        order = np.argsort(values[finite], kind="stable")
        return np.asarray(patterns[finite][order])

    def decode(self, codes: Codes) -> F32:
        """Value of each code."""
        return codes.astype(np.float32)

    def encode(self, values: Array) -> Codes:
        """Code of the nearest value; ties to even, out of range saturates."""
        numbers = np.clip(numbers_of(values), -self.largest, self.largest)
        # ml_dtypes rounds float64 to float32 first, and twice to nearest is not nearest.
        return (numbers if self.bits > 16 else _round_to_odd(numbers)).astype(self.storage)

    def __str__(self) -> str:
        """Short name, as printed in tables: ``fp16``, ``e4m3``."""
        return _FLOATS[self._key][0]


def _round_to_odd(numbers: Array) -> F32:
    """float32 that rounds to any narrower format as the float64 does (Boldo, Melquiond 2008).

    Where float32 is not exact, of its two neighbours the one with an odd last bit.
    """
    nearest = numbers.astype(np.float32)
    above = numbers - nearest  # sign of the error; 0 where exact
    even = (nearest.view(np.uint32) & 1) == 0
    neighbour = np.nextafter(nearest, np.copysign(np.float32(np.inf), above), dtype=np.float32)
    return np.where(even & (above != 0), neighbour, nearest)
