"""A tensor stored as codes, and what the codes mean."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from intact.numerics.arrays import F32, Array, Codes
from intact.numerics.formats import Format
from intact.numerics.granularity import stretch
from intact.numerics.special import round_half_away


@dataclass(frozen=True, slots=True)
class QuantParams:
    """real = scale * (value - zero_point), where value is on format's grid (arithmetic.md, eq. 1).

    `scale` has shape () (per tensor, any rank) or the tensor's rank, each axis dividing the
    tensor's. Real 0 is exactly representable by construction.
    """

    format: Format
    scale: F32
    zero_point: Codes | None = None  # shape of scale; None: symmetric

    def __post_init__(self) -> None:
        scale = np.asarray(self.scale, dtype=np.float32)
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError("scales must be positive and finite")
        object.__setattr__(self, "scale", scale)
        if self.zero_point is not None:
            zero_point = np.asarray(self.zero_point)
            if zero_point.shape != scale.shape:
                raise ValueError(
                    f"zero points of shape {zero_point.shape}, scales of shape {scale.shape}"
                )
            object.__setattr__(self, "zero_point", zero_point)

    def __eq__(self, other: object) -> bool:
        """Equal formats, and equal scales and zero points element for element."""
        if not isinstance(other, QuantParams):
            return NotImplemented
        return (
            self.format == other.format
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.offset, other.offset)
        )

    @property
    def offset(self) -> Codes:
        """The zero point as int64 of scale's shape; zeros if symmetric."""
        if self.zero_point is None:
            return np.zeros(self.scale.shape, np.int64)
        return self.zero_point.astype(np.int64)

    def quantize(self, real: Array) -> Codes:
        """Codes of the nearest values; ties to even, out of range saturates (eq. 2)."""
        values = real / stretch(self.scale, real.shape)
        if self.zero_point is None:
            return self.format.encode(values)
        return self.format.encode(np.rint(values) + stretch(self.offset, real.shape))

    def dequantize(self, codes: Codes) -> F32:
        """Real numbers of the codes (eq. 1)."""
        scale = stretch(self.scale, codes.shape)
        values = self.format.decode(codes)
        if self.zero_point is not None:
            values = values - stretch(self.offset, codes.shape).astype(np.float32)
        return np.asarray(values * scale)  # NumPy makes scalars of arrays without axes


def scalar_scale(params: QuantParams) -> float:
    """The one scale of an activation."""
    return float(params.scale.reshape(()))


def scalar_zero_point(params: QuantParams) -> int:
    """The one zero point of an activation."""
    return int(params.offset.reshape(()))


def bound_code(bound: float, params: QuantParams) -> int:
    """zero_point + round(bound / scale), ties away from zero, in float32 as TFLite divides it.

    It may lie outside of the format; its distance from the zero point is at most 2**31.
    """
    with np.errstate(over="ignore"):
        steps = np.asarray(np.float32(bound) / np.float32(scalar_scale(params)))
    return scalar_zero_point(params) + int(np.clip(round_half_away(steps), -(2.0**31), 2.0**31))


@dataclass(frozen=True, slots=True, eq=False)
class ScaledTensor:
    """A tensor as codes with a scale for each group of elements."""

    codes: Codes  # shape of the original tensor
    params: QuantParams

    def __post_init__(self) -> None:
        stretch(self.params.scale, self.codes.shape)  # raises where they do not fit

    def __eq__(self, other: object) -> bool:
        """Equal parameters and codes."""
        return (
            isinstance(other, ScaledTensor)
            and self.params == other.params
            and np.array_equal(self.codes, other.codes)
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the original tensor."""
        return self.codes.shape

    def dequantize(self) -> F32:
        """The real tensor that the codes stand for."""
        return self.params.dequantize(self.codes)

    def swapped(self) -> "ScaledTensor":
        """With axes 0 and 1 exchanged, as of a transposed convolution."""
        scale, zero_point = self.params.scale, self.params.zero_point
        codes = np.ascontiguousarray(self.codes.swapaxes(0, 1))
        if scale.ndim == 0:
            return ScaledTensor(codes, self.params)
        offset = None if zero_point is None else zero_point.swapaxes(0, 1)
        return ScaledTensor(codes, QuantParams(self.params.format, scale.swapaxes(0, 1), offset))


@dataclass(frozen=True, slots=True, eq=False)
class CodebookTensor:
    """Subvector i of the flattened tensor is codebook[assignments[i]]."""

    codebook: F32  # (K, d)
    assignments: Codes  # (numel / d,), each in 0..K-1
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.assignments.size * self.codebook.shape[1] != int(np.prod(self.shape)):
            raise ValueError(
                f"{self.assignments.size} subvectors of length {self.codebook.shape[1]}"
                f" do not fill shape {self.shape}"
            )

    def __eq__(self, other: object) -> bool:
        """Equal shape, codebook and assignments."""
        return (
            isinstance(other, CodebookTensor)
            and self.shape == other.shape
            and np.array_equal(self.codebook, other.codebook)
            and np.array_equal(self.assignments, other.assignments)
        )

    def dequantize(self) -> F32:
        """The real tensor that the codes stand for."""
        return self.codebook[self.assignments].reshape(self.shape)


QTensor: TypeAlias = ScaledTensor | CodebookTensor
