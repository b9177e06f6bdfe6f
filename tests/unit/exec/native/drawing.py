"""Random operations as `verify` accepts them, ends of every range included."""

from dataclasses import dataclass

import numpy as np

from intact.ir.attributes import ACCUMULATOR_MAX
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Binary, Format, Int, MidRise, PowerOfTwo, Ternary
from intact.numerics.integers import weight_integers

SIZES = (1, 2, 3, 15, 16, 17, 31, 32, 33, 64)  # around what kernels sum together
ACTIVATIONS = tuple(
    Int(bits, signed) for bits in (4, 8, 8, 8, 12, 16, 16) for signed in (True, False)
)
WEIGHTS: tuple[Format, ...] = (
    Int(8), Int(8), Int(8, narrow=True), Int(4), Int(8, signed=False), Int(16), Ternary(),
    PowerOfTwo(4), PowerOfTwo(5), MidRise(2), MidRise(7), Binary(),
)  # fmt: skip


def draw_activation(rng: np.random.Generator) -> tuple[Int, int]:
    """A format and a zero point."""
    format = ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))]
    symmetric = format.signed and rng.random() < 0.4
    return format, 0 if symmetric else int(rng.integers(format.qmin, format.qmax + 1))


def draw_codes(rng: np.random.Generator, shape: tuple[int, ...], format: Format) -> np.ndarray:
    """Codes, in some cases the lowest and highest alone."""
    codes = format.codes()
    return rng.choice(codes[[0, -1]] if rng.random() < 0.3 else codes, shape)


def draw_requant(
    rng: np.random.Generator, channels: int, output: Int, largest: int, wide: bool
) -> Requant:
    """Every kind of multiplier and shift; most results of sums up to `largest` are not clamped."""
    count, clamps = (int(rng.choice([1, channels])) for _ in range(2))
    multiplier = rng.integers(1 << 30, 1 << 31, count)
    ends = rng.random(count)
    multiplier = np.where(ends < 0.1, 0, np.where(ends > 0.9, (1 << 31) - 1, multiplier))
    highest = 14 if wide else 30
    fitting = round(np.log2((output.qmax - output.qmin + 1) / max(largest, 1)))
    near = np.clip(fitting + rng.integers(0, 4, count), -31, highest)
    shift = np.where(rng.random(count) < 0.2, rng.integers(-31, highest + 1, count), near)
    limits = np.sort(rng.integers(output.qmin, output.qmax + 1, (2, clamps)), axis=0)
    if rng.random() < 0.6:
        limits = np.repeat([[output.qmin], [output.qmax]], clamps, axis=1)
    zero_point = int(rng.integers(output.qmin, output.qmax + 1))
    return Requant(multiplier, shift, zero_point, *limits, 64 if wide else 32)


@dataclass(frozen=True)
class Layer:
    """Codes of a layer's weight and bias, and what surrounds them."""

    source: Int
    zero_point: int
    weight: np.ndarray
    weight_format: Format
    weight_zero_point: tuple[int, ...] | None
    bias: np.ndarray
    output: Int
    requant: Requant
    weight_shift: int = 0

    @property
    def bias_format(self) -> Int:
        return Int(8 * self.bias.itemsize)


def draw_layer(rng: np.random.Generator, shape: tuple[int, ...]) -> Layer:
    """A layer whose weight has this shape; the accumulator is as wide as eq. 19 asks, or wider."""
    channels = shape[0]
    source, zero_point = draw_activation(rng)
    format = WEIGHTS[int(rng.integers(len(WEIGHTS)))]
    weight = draw_codes(rng, shape, format)
    weight_zero_point = None
    if isinstance(format, Int) and (not format.signed or rng.random() < 0.3):
        count = int(rng.choice([1, channels]))
        points = rng.integers(format.qmin, format.qmax + 1, count)
        weight_zero_point = tuple(int(point) for point in points)
    shift = draw_shift(rng, weight_integers(weight, format, weight_zero_point))
    integers = weight_integers(weight, format, weight_zero_point, shift)
    reach = max(source.qmax - zero_point, zero_point - source.qmin)
    largest = int(np.abs(integers).reshape(channels, -1).sum(axis=1).max()) * reach
    wide = largest >= ACCUMULATOR_MAX[32] or rng.random() < 0.2
    room = ACCUMULATOR_MAX[64 if wide else 32] - largest
    bits = 64 if wide and rng.random() < 0.7 else 32
    most = min(room, (1 << (bits - 1)) - 1, room if rng.random() < 0.2 else largest)
    bias = rng.integers(-most, most + 1, channels).astype(f"int{bits}")
    output, _ = draw_activation(rng)
    requant = draw_requant(rng, channels, output, largest, wide)
    return Layer(
        source, zero_point, weight, format, weight_zero_point, bias, output, requant, shift
    )


def draw_shift(rng: np.random.Generator, integers: np.ndarray) -> int:
    """None, or as many bits as int8 holds; in some cases more, which kernels of int16 take."""
    fitting = max(0, 7 - int(np.abs(integers).max()).bit_length())
    return int(rng.choice([0, fitting, fitting, int(rng.integers(8))]))
