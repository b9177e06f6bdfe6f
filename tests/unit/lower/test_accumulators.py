"""How fine and how wide accumulators are, and what becomes of channels without weights."""

import numpy as np
import pytest

from intact.exec.reference import load
from intact.ir import float_ops as ops
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import QLinear
from intact.lower.accumulators import Terms, finest_shift
from intact.lower.lower import lower
from intact.model import QuantizedModel
from intact.numerics.formats import FP32, Binary, Format, Int, MidRise, PowerOfTwo, Ternary
from intact.numerics.integers import integer_range
from intact.numerics.qtensor import QuantParams, ScaledTensor

S4, S8 = QuantParams(Int(4), np.float32(0.1)), QuantParams(Int(8), np.float32(0.1))


@pytest.mark.parametrize(
    ("format", "shift"),
    [
        (Int(8, narrow=True), 0), (Int(7), 1), (Int(4), 4), (Int(4, narrow=True), 4), (Int(3), 5),
        (Int(2), 6), (Int(2, narrow=True), 6), (Binary(), 6), (Ternary(), 6), (MidRise(2), 5),
        (MidRise(7), 0), (PowerOfTwo(3), 4), (PowerOfTwo(4), 0), (PowerOfTwo(5), 0),
    ],
    ids=str,
)  # fmt: skip
def test_shifted_integers_fill_int8(format: Format, shift: int) -> None:
    assert finest_shift(format, None, S4) == shift
    low, high = integer_range(format)
    assert format == PowerOfTwo(5) or -128 <= low << shift <= high << shift <= 127


def test_zero_points_need_room() -> None:
    assert finest_shift(Int(4), (-8,), S4) == 3  # 0..15
    assert finest_shift(Int(4), (-8, 7), S4) == 3  # -15..15


def test_what_tflite_has_is_as_tflite_has_it() -> None:
    assert finest_shift(Int(4), None, S8) == 0
    assert finest_shift(Int(2), None, S8) == 6
    assert finest_shift(Int(2), None, QuantParams(Int(16), np.float32(0.1))) == 0


def test_the_shift_leaves_32_bits_enough() -> None:
    def terms(taps: float) -> Terms:
        one = np.ones(1)
        return Terms(one * taps, one, QuantParams(Int(8), np.float32(1)), 0 * one)

    assert terms(1000).shift(6) == 6
    assert terms(2.0**20).shift(6) == 3  # 2**20 * 128 * 2**3 < 2**31 <= 2**20 * 128 * 2**4
    assert terms(2.0**20).bits(3) == 32
    assert terms(2.0**25).shift(6) == 0
    assert terms(2.0**25).bits(0) == 64


def linear(format: Format, scale: np.ndarray, bias: np.ndarray) -> QuantizedModel:
    """Six inputs of 4 bits, an output of 8; every weight is the format's highest value."""
    x, y = Value("x", (-1, 6), FP32), Value("y", (-1, len(bias)), FP32)
    codes = np.full((len(bias), 6), format.codes()[-1], format.storage)
    weight = ScaledTensor(codes, QuantParams(format, scale.reshape(-1, 1).astype(np.float32)))
    constants = {"w": weight.dequantize(), "b": bias.astype(np.float32)}
    inputs = (x, Value("w", codes.shape, FP32), Value("b", bias.shape, FP32))
    graph = Graph((x,), (y,), (Node(ops.Linear(), inputs, y),), constants)
    output = QuantParams(Int(8), np.float32(0.01))
    return QuantizedModel(graph, {"w": weight}, {"x": S4, "y": output})


@pytest.mark.parametrize("format", [Int(2), Int(3), Int(4), Binary(), Ternary(), MidRise(2)])
def test_a_bias_is_finer_than_the_products(format: Format) -> None:
    """The products' unit is 10 output codes, 0.1, so that biases of a code would round to 0."""
    bias = np.array([0.01, 0.02, -0.03])
    model = linear(format, np.ones(3), bias)
    op = next(n.op for n in lower(model).nodes if isinstance(n.op, QLinear))
    assert op.weight_shift >= 4
    made = load(lower(model))({"x": np.zeros((1, 6), np.float32)})["y"]
    np.testing.assert_allclose(made[0], bias, atol=0.006)


@pytest.mark.parametrize(
    "format", [Binary(), MidRise(3), Ternary(), PowerOfTwo(4), Int(2), Int(8)], ids=str
)
def test_channels_that_the_bias_alone_decides(format: Format) -> None:
    """As folding a BatchNorm with gain 0 leaves them; the others are as exact as ever."""
    scale = np.array([2.0**-96, 0.05, 2.0**-60])
    bias = np.array([0.57, 0.2, -0.31])
    model = linear(format, scale, bias)
    program = lower(model)
    op = next(n.op for n in program.nodes if isinstance(n.op, QLinear))
    assert op.requant.accumulator_bits == 32
    x = np.random.default_rng(0).integers(-8, 8, (5, 6)).astype(np.float32) / 10
    made = load(program)({"x": x})["y"]
    expected = np.clip(x @ model.weights["w"].dequantize().T + bias, -1.28, 1.27)
    np.testing.assert_allclose(made[:, [0, 2]], np.tile(bias[[0, 2]], (5, 1)), atol=1e-6)
    np.testing.assert_allclose(made[:, 1], expected[:, 1], atol=0.0101)
