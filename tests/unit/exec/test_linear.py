"""Linear layers, matrix products and embeddings equal sums of Python integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.exec.movement import rows
from intact.ir.int_ops import QEmbedding, QLinear, QMatMul
from intact.numerics.formats import Int
from tests.unit.exec.oracle import (
    draw_codes,
    node,
    requant,
    requantized,
    requantized_array,
    run_node,
    seeds,
)


@given(seeds, st.sampled_from([(5,), (2, 5), (2, 3, 5), (0, 5)]), st.sampled_from([8, 4, 16]))
def test_linear_equals_sums(seed: int, shape: tuple[int, ...], bits: int) -> None:
    rng = np.random.default_rng(seed)
    source, wide = Int(bits), bits > 8
    x, weight = draw_codes(rng, shape, source), draw_codes(rng, (4, shape[-1]))
    bias = rng.integers(-5000, 5000, 4).astype(np.int64 if wide else np.int32)
    zero_point = 0 if wide else int(rng.integers(source.qmin, source.qmax + 1))
    zeros = tuple(int(z) for z in rng.integers(-9, 9, 4)) if rng.random() < 0.4 else None
    scaled = requant(rng.uniform(1e-4, 1e-2, 4), Int(8), 7, 64 if wide else 32)
    op = QLinear(zero_point, zeros, scaled)
    values = [(source, (-1, *shape[1:])), (Int(8), (1,)), (Int(32), (1,))]
    centred = weight.astype(object) - np.reshape(zeros or (0,) * 4, (4, 1))
    acc = (x.astype(object) - zero_point) @ centred.T + bias
    out = run_node(node(op, values, Int(8)), [x, weight, bias])
    assert out.dtype == np.int8
    np.testing.assert_array_equal(out, requantized_array(scaled, acc))


@given(seeds, st.sampled_from([((3, 4), (4, 2)), ((2, 1, 3, 4), (3, 4, 2)), ((4, 4), (2, 4, 1))]))
def test_matmul_equals_sums(seed: int, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    rng = np.random.default_rng(seed)
    a, b = draw_codes(rng, shapes[0]), draw_codes(rng, shapes[1], Int(16))
    op = QMatMul(int(rng.integers(-128, 128)), int(rng.integers(-99, 99)), requant(1e-4, Int(8), 3))
    acc = np.matmul(a.astype(np.int64) - op.a_zero_point, b.astype(np.int64) - op.b_zero_point)
    out = run_node(node(op, [(Int(8), shapes[0]), (Int(16), shapes[1])], Int(8)), [a, b])
    np.testing.assert_array_equal(out, requantized_array(op.requant, acc))


def test_matmul_of_extreme_codes_is_exact() -> None:
    a = np.full((1, 70001), -32768, np.int16)
    b = np.full((70001, 1), -32768, np.int16)
    b[0] = 32767  # one unit of a less: only an exact sum shows it
    op = QMatMul(0, 0, requant(2.0**-31, Int(32), bits=64))
    out = run_node(node(op, [(Int(16), (1, 1)), (Int(16), (1, 1))], Int(32)), [a, b])
    acc = 70000 * 32768**2 - 32768 * 32767
    assert out[0, 0] == requantized(op.requant, acc, 0)


@given(seeds, st.booleans())
def test_embedding_requantizes_the_row(seed: int, per_row: bool) -> None:
    rng = np.random.default_rng(seed)
    weight = draw_codes(rng, (6, 3))
    zeros = tuple(int(z) for z in rng.integers(-9, 9, 6)) if per_row else None
    scaled = requant(rng.uniform(0.1, 2, 6 if per_row else 1), Int(8), -4)
    indices = rng.integers(0, 6, (2, 5))
    op = QEmbedding(zeros, scaled)
    out = run_node(node(op, [(Int(64), (-1, 5)), (Int(8), (6, 3))], Int(8)), [indices, weight])
    for index, d in np.ndindex(10, 3):
        v = int(indices.reshape(-1)[index])
        value = int(weight[v, d]) - (zeros[v] if zeros else 0)
        assert out.reshape(-1, 3)[index, d] == requantized(scaled, value, v)


def test_a_negative_index_is_out_of_range() -> None:
    table = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(rows(table, np.array([[2, 0]])), table[[[2, 0]]])
    with pytest.raises(IndexError, match=r"index -1 is out of range: rows are 0\.\.2"):
        rows(table, np.array([0, -1]))
