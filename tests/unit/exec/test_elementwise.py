"""Conversions, sums, products and activations of single elements."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from intact.exec import elementwise
from intact.ir import float_ops as ops
from intact.ir.int_ops import (
    Dequantize,
    InterpolatedLookup,
    Lookup,
    Operand,
    QAdd,
    QMul,
    QPrelu,
    QSub,
    Quantize,
    Requantize,
)
from intact.numerics.fixedpoint import Requant, quantize_multiplier
from intact.numerics.formats import FP32, Int
from intact.numerics.qtensor import QuantParams
from tests.unit.exec.oracle import (
    clamp,
    draw_codes,
    multiply,
    node,
    requant,
    requantized,
    requantized_array,
    round_half_away,
    run_node,
    seeds,
)

floats32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def quantize(x: list[float], scale: float, zero_point: int, format: Int) -> list[int]:
    params = QuantParams(format, np.asarray(scale, np.float32), np.asarray(zero_point))
    out = run_node(node(Quantize(params), [(FP32, (-1,))], format), [np.array(x, np.float32)])
    assert out.dtype == format.storage
    return [int(code) for code in out]


def test_quantize_rounds_ties_away_from_zero_and_saturates() -> None:
    x = [0.25, -0.25, 0.75, -0.75, 100.0, -100.0, np.inf, -np.inf, np.nan, 0.0]
    codes = quantize(x, 0.5, 3, Int(8))
    assert codes == [4, 2, 5, 1, 127, -128, 127, -128, 3, 3]
    assert quantize([-1e30, 1e30], 1e-3, 200, Int(8, signed=False)) == [0, 255]


@given(st.lists(floats32), st.floats(2**-10, 8, width=32), st.integers(-8, 7))
@example([3e38, -3e38], 0.5, 0)
def test_quantize_equals_exact_rounding(x: list[float], scale: float, zero_point: int) -> None:
    with np.errstate(over="ignore"):
        divided = np.array(x, np.float32) / np.float32(scale)
    expected = [
        clamp(round_half_away(v) + zero_point, -8, 7) if np.isfinite(v) else (7 if v > 0 else -8)
        for v in divided.tolist()
    ]
    assert quantize(x, scale, zero_point, Int(4)) == expected


def test_quantize_and_dequantize_per_channel() -> None:
    scale = np.array([[0.5, 2.0]], np.float32)
    params = QuantParams(Int(8), scale, np.array([[1, -1]]))
    x = np.array([[1.0, 4.0], [-0.5, 6.0]], np.float32)
    codes = run_node(node(Quantize(params), [(FP32, (-1, 2))], Int(8)), [x])
    assert codes.tolist() == [[3, 1], [0, 2]]
    real = run_node(node(Dequantize(params), [(Int(8), (-1, 2))], None), [codes])
    assert real.dtype == np.float32
    np.testing.assert_array_equal(real, x)


@given(seeds, st.sampled_from([Int(8), Int(16), Int(3), Int(8, signed=False)]), st.booleans())
def test_requantize(seed: int, source: Int, per_channel: bool) -> None:
    rng = np.random.default_rng(seed)
    x = draw_codes(rng, (2, 3, 4), source)
    scaled = requant(rng.uniform(0.01, 3, 4 if per_channel else 1), Int(8), 5)
    op = Requantize(int(rng.integers(source.qmin, source.qmax)), scaled)
    out = run_node(node(op, [(source, (-1, 3, 4))], Int(8)), [x])
    expected = requantized_array(scaled, x.astype(np.int64) - op.input_zero_point)
    np.testing.assert_array_equal(out, expected)


def tflite_add(s1: float, z1: int, s2: float, z2: int, so: float, zo: int) -> QAdd:
    common = 2 * max(s1, s2)
    operands = [
        Operand(z, *(int(v) for v in quantize_multiplier(s / common)))
        for s, z in ((s1, z1), (s2, z2))
    ]
    return QAdd(*operands, 20, requant(common / (2**20 * so), Int(8), zo))


def test_published_sums() -> None:
    op = tflite_add(0.05, -5, 0.02, 10, 0.06, -3)
    a, b = np.int8([100, -128, 0, 17, 127]), np.int8([-100, 127, 0, 42, 127])
    out = run_node(node(op, [(Int(8), (-1,)), (Int(8), (-1,))], Int(8)), [a, b])
    assert out.tolist() == [48, -67, -2, 26, 127]


@given(
    seeds,
    st.sampled_from([QAdd, QSub]),
    st.sampled_from([(Int(8), 20), (Int(4), 20), (Int(16), 15)]),
    st.sampled_from(
        [((2, 3, 2), (2, 3, 2)), ((2, 3, 2), (2,)), ((2, 1, 2), (2, 3, 1)), ((3,), ())]
    ),
)
def test_sums_equal_python_integers(
    seed: int, kind: type, source: tuple[Int, int], shapes: tuple[tuple[int, ...], ...]
) -> None:
    rng = np.random.default_rng(seed)
    format, left_shift = source
    operands = []
    for _ in range(2):
        zero_point = 0 if format.bits > 8 else int(rng.integers(format.qmin, format.qmax + 1))
        multiplier, shift = quantize_multiplier(rng.uniform(0.001, 0.5))
        operands.append(Operand(zero_point, int(multiplier), int(shift)))
    scaled = requant(rng.uniform(0.5, 4) / 2**left_shift, Int(8), 3)
    op = kind(*operands, left_shift, scaled)
    a, b = (draw_codes(rng, shape, format) for shape in shapes)
    out = run_node(node(op, [(format, s) for s in shapes], Int(8)), [a, b])
    full_a, full_b = np.broadcast_arrays(a, b)
    assert out.shape == full_a.shape
    for index in np.ndindex(full_a.shape):
        sides = [
            multiply((int(x[index]) - o.zero_point) << left_shift, o.multiplier, o.shift)
            for x, o in zip((full_a, full_b), operands, strict=True)
        ]
        acc = sides[0] + sides[1] if kind is QAdd else sides[0] - sides[1]
        assert out[index] == requantized(scaled, acc, 0)


@given(seeds, st.sampled_from([((2, 3, 2), (2, 3, 2)), ((2, 3, 3, 2), (2, 1, 1, 2)), ((3,), (1,))]))
def test_products_equal_python_integers(seed: int, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(seed)
    a, b = draw_codes(rng, shapes[0]), draw_codes(rng, shapes[1], Int(16))
    op = QMul(int(rng.integers(-128, 128)), 0, requant(rng.uniform(1e-5, 1e-3), Int(16)))
    out = run_node(node(op, [(Int(8), shapes[0]), (Int(16), shapes[1])], Int(16)), [a, b])
    acc = (a.astype(np.int64) - op.a_zero_point) * b.astype(np.int64)
    np.testing.assert_array_equal(out, requantized_array(op.requant, acc))


@pytest.mark.parametrize(
    "format", [Int(8), Int(4), Int(8, signed=False), Int(8, narrow=True)], ids=repr
)
def test_lookup_reads_the_table(format: Int) -> None:
    table = np.random.default_rng(1).integers(-128, 128, 1 << format.bits).astype(np.int8)
    codes = format.codes()
    out = run_node(node(Lookup(table, ops.Silu()), [(format, (-1,))], Int(8)), [codes])
    low = format.qmax + 1 - (1 << format.bits)
    assert out.tolist() == [int(table[int(code) - low]) for code in codes]


@given(seeds, st.integers(9, 16))
def test_interpolated_lookup_equals_its_equation(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(-40000, 40000, 513).astype(np.int32)
    format, k = Int(bits), bits - 9
    x = draw_codes(rng, (50,), format)
    op = InterpolatedLookup(table, ops.Tanh())
    out = run_node(node(op, [(format, (-1,))], Int(16)), [x])
    for code, result in zip(x.tolist(), out.tolist(), strict=True):
        u = code - format.qmin
        base, following = int(table[u >> k]), int(table[(u >> k) + 1])
        part = ((following - base) * (u % (1 << k)) + ((1 << k) >> 1)) >> k
        assert result == clamp(base + part, -32768, 32767)


@given(seeds, st.sampled_from([1, 3]))
def test_prelu_equals_python_integers(seed: int, slopes: int) -> None:
    rng = np.random.default_rng(seed)
    x, slope = draw_codes(rng, (2, 4, 3)), draw_codes(rng, (slopes,))
    op = QPrelu(
        int(rng.integers(-128, 128)),
        int(rng.integers(-20, 20)),
        requant(rng.uniform(0.1, 2), Int(8), -7),
        requant(rng.uniform(0.001, 0.02), Int(8), -7),
    )
    out = run_node(node(op, [(Int(8), (-1, 4, 3)), (Int(8), (slopes,))], Int(8)), [x, slope])
    for index in np.ndindex(x.shape):
        v = int(x[index]) - op.input_zero_point
        if v >= 0:
            expected = requantized(op.positive, v, 0)
        else:
            factor = int(slope[index[-1] % slopes]) - op.slope_zero_point
            expected = requantized(op.negative, v * factor, 0)
        assert out[index] == expected


def test_sums_of_a_whole_block_and_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elementwise, "_BLOCK", 10)
    rng = np.random.default_rng(2)
    table = rng.permutation(256).astype(np.int16)
    x = draw_codes(rng, (3, 7))
    assert (elementwise.gather(table, -128, x) == table[x.astype(int) + 128]).all()
    # Views that are not contiguous are read in their own order.
    assert (elementwise.gather(table, -128, x.T) == table[x.T.astype(int) + 128]).all()


def test_integer_operations_refuse_real_inputs() -> None:
    one = np.array([1])
    keep = Requant(np.array([1 << 30]), one, 0, -one, one)
    with pytest.raises(ValueError, match='"x0" is fp32; an integer operation reads codes'):
        run_node(node(Requantize(0, keep), [(FP32, (-1,))], Int(8)), [np.float32([1])])
