"""Random operations that `verify` accepts, run by the native engine and by the reference."""

import math
from collections.abc import Sequence

import numpy as np

from intact.exec import native, reference
from intact.ir.attributes import ACCUMULATOR_MAX
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp, Program
from intact.ir.shapes import output_shape
from intact.ir.verify import verify
from intact.numerics.fixedpoint import INT32_MAX, Requant
from intact.numerics.formats import Format, Int

Shape = tuple[int, ...]

FORMATS = (
    Int(8), Int(8, signed=False), Int(8, narrow=True), Int(16), Int(16, signed=False),
    Int(4), Int(5, signed=False), Int(1, signed=False), Int(11), Int(9, signed=False),
    Int(13, narrow=True),
)  # fmt: skip


def draw_format(rng: np.random.Generator, low: int = 1, high: int = 16) -> Int:
    """A format of `low` to `high` bits, mostly of 8 or 16."""
    formats = [format for format in FORMATS if low <= format.bits <= high]
    return formats[int(rng.integers(len(formats)))]


def between(rng: np.random.Generator, low: int, high: int) -> int:
    """An integer of [low, high]."""
    return int(rng.integers(low, high + 1))


def draw(rng: np.random.Generator, shape: Shape, format: Int) -> np.ndarray:
    """Codes: of all kinds, the ends alone, or one."""
    ends = np.array([format.qmin, format.qmax])
    kind = between(rng, 0, 3)
    codes = rng.integers(format.qmin, format.qmax + 1, shape)
    if kind == 1:
        codes = rng.choice(ends, shape)
    elif kind == 2:
        codes = np.full(shape, rng.choice([*ends, codes.flat[0]]))
    elif kind == 3:
        codes = np.where(rng.random(shape) < 0.1, rng.choice(ends, shape), codes)
    return np.asarray(codes).astype(format.storage)


def draw_zero_point(rng: np.random.Generator, format: Int) -> int:
    """Any code of the format."""
    return between(rng, format.qmin, format.qmax)


def reach(format: Int, zero_point: int) -> int:
    """The largest distance of a code from the zero point."""
    return max(format.qmax - zero_point, zero_point - format.qmin)


def draw_requant(rng: np.random.Generator, output: Int, largest: int, channels: int = 1) -> Requant:
    """Of accumulators up to `largest`; mostly such that results spread over the output's codes."""
    wide = largest > INT32_MAX or rng.random() < 0.3
    multipliers, clamps = (int(rng.choice([1, channels])) for _ in range(2))
    highest = 14 if wide else 30
    fitting = round(math.log2((output.qmax - output.qmin + 1) / max(largest, 1)))
    shift = np.clip(fitting + rng.integers(-2, 5, multipliers), -31, highest)
    if rng.random() < 0.2:
        shift = rng.integers(-31, highest + 1, multipliers)
    multiplier = rng.integers(1 << 30, 1 << 31, multipliers)
    if rng.random() < 0.1:
        multiplier = rng.choice([0, 1 << 30, INT32_MAX], multipliers)
    ends = np.sort(rng.integers(output.qmin, output.qmax + 1, (2, clamps)), axis=0)
    if rng.random() < 0.7:
        ends[0], ends[1] = output.qmin, output.qmax
    bits = 64 if wide else 32
    assert largest <= ACCUMULATOR_MAX[bits]
    return Requant(multiplier, shift, draw_zero_point(rng, output), ends[0], ends[1], bits)


def draw_shapes(rng: np.random.Generator) -> tuple[Shape, Shape]:
    """Two shapes that broadcast; rows shorter and longer than vectors and blocks."""
    full = [between(rng, 1, 4) for _ in range(between(rng, 0, 4))]
    full.append(int(rng.choice([1, 2, 3, 7, 16, 63, 64, 65, 130])))
    if rng.random() < 0.3:
        full[0] = 40  # enough for several threads
    if rng.random() < 0.3:
        return tuple(full), tuple(full)
    a, b = ([1 if rng.random() < 0.3 else n for n in full] for _ in range(2))
    if rng.random() < 0.5:
        a = a[between(rng, 0, len(a)) :]
    return tuple(a), tuple(b)


def alone(
    op: IntOp,
    inputs: Sequence[tuple[Format, np.ndarray]],
    output: Format,
    constants: Sequence[int] = (),
) -> tuple[Program, dict[str, np.ndarray]]:
    """A Program of one operation, and its inputs; those numbered in `constants` are its own."""
    arrays = {f"x{i}": array.copy(order="C") for i, (_, array) in enumerate(inputs)}
    values = [Value(f"x{i}", array.shape, format) for i, (format, array) in enumerate(inputs)]
    y = Value("y", output_shape(op, [value.shape for value in values]), output)
    node: Node[IntOp] = Node(op, tuple(values), y)
    given = tuple(value for i, value in enumerate(values) if i not in constants)
    own = {name: arrays[name] for name in arrays if name not in {value.name for value in given}}
    program = Graph(given, (y,), (node,), own)
    verify(program)
    return program, {value.name: arrays[value.name] for value in given}


def check(
    op: IntOp,
    inputs: Sequence[tuple[Format, np.ndarray]],
    output: Format,
    constants: Sequence[int] = (),
) -> np.ndarray:
    """The native engine, with one and with three threads, gives what the reference gives.

    Inputs numbered in `constants` are the Program's own.
    """
    program, passed = alone(op, inputs, output, constants)
    expected = reference.load(program)(passed)["y"]
    for threads in (1, 3):
        result = native.load(program, threads)(passed)["y"]
        assert result.dtype == expected.dtype
        np.testing.assert_array_equal(result, expected, err_msg=f"{op} on {threads} threads")
    return expected
