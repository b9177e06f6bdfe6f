"""Float layers whose weights stay codes: the real numbers that the codes stand for."""

import numpy as np
import pytest

from intact.exec import native as engines
from intact.exec import reference
from intact.exec.native.library import native
from intact.ir.float_ops import Linear
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Dequantize
from intact.numerics.formats import FP32, Format, Int
from intact.numerics.qtensor import QuantParams
from tests.unit.exec.native.running import run_op

ISAS = [isa for isa in native.Isa if isa.value <= native.best_isa().value]
TOLERANCE = 1e-5  # of sum |x| |w|: float32 sums of a few thousand products, in any order


def _close(y: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | float = 0) -> bool:
    exact = x.astype(np.float64) @ weight.T.astype(np.float64) + bias
    allowed = np.abs(x).astype(np.float64) @ np.abs(weight.T).astype(np.float64) + np.abs(bias)
    return bool((np.abs(y - exact) <= TOLERANCE * allowed).all())


def _draw(rng: np.random.Generator, bits: int, outputs: int, depth: int, groups: int):
    """Codes with both ends, and their scales."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    codes = rng.integers(low, high + 1, (outputs, depth), np.int8)
    codes[0, 0], codes[-1, -1] = low, high
    return codes, rng.uniform(0.001, 0.1, (outputs, groups)).astype(np.float32)


# Around one panel (16 outputs), several at once (64), a block of 8 codes, a group, a piece of the
# depth that is expanded at once (128 or 256).
_SHAPES = [
    (1, 32), (15, 64), (16, 96), (17, 32), (64, 320), (65, 256), (100, 288), (33, 544),
]  # fmt: skip


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(("outputs", "depth"), _SHAPES)
@pytest.mark.parametrize("rows", [1, 2, 4, 5, 8, 9, 13, 49])
def test_groups_of_32_codes_share_a_scale(isa, bits, outputs, depth, rows):
    rng = np.random.default_rng(outputs + rows)
    codes, scales = _draw(rng, bits, outputs, depth, depth // 32)
    x = rng.standard_normal((rows, depth), np.float32)
    bias = rng.standard_normal(outputs, np.float32)
    op = native.weight_only_linear(codes, bits, scales, isa)

    y = run_op(op, [x, bias], np.empty((rows, outputs), np.float32))

    assert _close(y, x, codes * np.repeat(scales, 32, axis=1), bias)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("depth", [1, 7, 8, 9, 31, 33, 127, 257, 300])
@pytest.mark.parametrize("rows", [1, 3, 6, 24])
def test_rows_share_a_scale(isa, bits, depth, rows):
    rng = np.random.default_rng(depth)
    codes, scales = _draw(rng, bits, 37, depth, 1)
    x = rng.standard_normal((rows, depth), np.float32)
    op = native.weight_only_linear(codes, bits, scales, isa)

    y = run_op(op, [x], np.empty((rows, 37), np.float32))

    assert _close(y, x, codes * scales)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("groups", [1, 20])
def test_threads_and_other_rows_change_no_bit(isa, bits, groups):
    rng = np.random.default_rng(groups)
    codes, scales = _draw(rng, bits, 333, 640, groups)
    x = rng.standard_normal((250, 640), np.float32)
    bias = rng.standard_normal(333, np.float32)
    op = native.weight_only_linear(codes, bits, scales, isa)

    alone = [run_op(op, [row, bias], np.empty((1, 333), np.float32)) for row in x[:, None]]

    for threads in (1, 2, 3):
        for rows in (1, 4, 5, 250):
            y = run_op(op, [x[:rows], bias], np.empty((rows, 333), np.float32), threads)
            np.testing.assert_array_equal(y, np.concatenate(alone[:rows]))


@pytest.mark.skipif(len(ISAS) < 3, reason="this CPU has one kind of vectors")
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("rows", [1, 7])
def test_vectors_of_any_length_give_the_same_bits(bits, rows):
    rng = np.random.default_rng(rows)
    codes, scales = _draw(rng, bits, 70, 640, 20)
    x = rng.standard_normal((rows, 640), np.float32)

    results = [
        run_op(native.weight_only_linear(codes, bits, scales, isa), [x],
               np.empty((rows, 70), np.float32))
        for isa in ISAS[1:]
    ]  # fmt: skip

    np.testing.assert_array_equal(*results)


# --- whole Programs ------------------------------------------------------------------------------


def _program(rng: np.random.Generator, format: Format, scale: np.ndarray, **params) -> Graph:
    """x (N, 96) → Linear with a constant, dequantized weight of 40 outputs."""
    codes = rng.choice(format.codes(), (40, 96))
    meaning = QuantParams(format, scale, **params)
    x = Value("x", (-1, 96), FP32)
    stored, weight = (
        Value("w.codes", codes.shape, format, meaning),
        Value("w", codes.shape, FP32),
    )
    bias, y = Value("b", (40,), FP32), Value("y", (-1, 40), FP32)
    nodes = (
        Node(Dequantize(meaning), (stored,), weight),
        Node(Linear(), (x, weight, bias), y),
    )
    constants = {"w.codes": codes, "b": rng.standard_normal(40, np.float32)}
    return Graph((x,), (y,), nodes, constants)


_ROWS = np.linspace(0.01, 0.02, 40, dtype=np.float32).reshape(40, 1)
_PARAMETERS = {
    "int4 in groups of 32": (Int(4), np.repeat(_ROWS, 3, axis=1), {}, "int4"),
    "int4 in groups of 96, by rows": (Int(4, narrow=True), _ROWS, {}, "int4"),
    "int3 per tensor": (Int(3), np.float32(0.5), {}, "int4"),
    "int8 by rows": (Int(8), _ROWS, {}, "int8"),
    "uint5 per tensor": (Int(5, signed=False), np.full((1, 1), 0.1, np.float32), {}, "int8"),
    "one scale for ten rows": (Int(8), _ROWS[::10], {}, "int8"),
    "int4 with zero points": (
        Int(4), _ROWS, {"zero_point": np.arange(40).reshape(40, 1) % 9 - 4}, "int8",
    ),
    "uint8": (Int(8, signed=False), _ROWS, {}, "linear"),
    "uint8 around 128": (
        Int(8, signed=False), _ROWS, {"zero_point": np.full((40, 1), 128)}, "int8",
    ),
    "groups of 16": (Int(4), np.repeat(_ROWS, 6, axis=1), {}, "linear"),
    "scales next to nothing": (Int(4), _ROWS * np.float32(1e-30), {}, "linear"),
}  # fmt: skip


@pytest.mark.parametrize("name", _PARAMETERS)
def test_every_kind_of_parameters_computes_with_the_real_weights(name):
    format, scale, params, layout = _PARAMETERS[name]
    rng = np.random.default_rng(1)
    program = _program(rng, format, scale, **params)
    engine = engines.load(program)

    for batch in (1, 7):
        x = rng.standard_normal((batch, 96), np.float32)
        weight = reference.trace(program)({"x": x})["w"]
        y = engine({"x": x})["y"]
        assert _close(y, x, weight, program.constants["b"])

    (step,) = engine.profile({"x": x})
    assert layout in step.kernel


def test_a_packed_weight_takes_its_codes_alone():
    program = _program(np.random.default_rng(2), Int(4), np.repeat(_ROWS, 3, axis=1))

    memory = engines.load(program).memory

    panels = 3 * 16  # rows, filled up
    assert memory.packed == panels * 96 // 2 + panels * 3 * 4
    assert memory.constants < 1000
