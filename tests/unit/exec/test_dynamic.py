"""Dynamic layers: one scale for each row or sample, exact integers, float32 around them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.ir.int_ops import DynamicConv2d, DynamicLinear
from intact.numerics.formats import FP32, Int
from tests.unit.exec.oracle import draw_codes, node, run_node, seeds


def drawn(seed: int, shape: tuple[int, ...], weight_shape: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    x = (rng.normal(0, 1, shape) * rng.choice([1e-6, 1, 1e6])).astype(np.float32)
    channels = weight_shape[0]
    scale = rng.uniform(1e-3, 1e-2, channels).astype(np.float32)
    return [x, draw_codes(rng, weight_shape), scale, rng.normal(size=channels).astype(np.float32)]


def encoded(x: np.ndarray, qmax: int) -> tuple[np.ndarray, np.float32]:
    """Codes of one row or sample, rounded as C does, and their scale."""
    scale = np.abs(x).max() / np.float32(qmax) or np.float32(1)
    divided = (x / scale).astype(np.float64)
    return (np.sign(divided) * np.floor(np.abs(divided) + 0.5)).astype(np.int64), scale


@given(seeds, st.sampled_from([Int(8), Int(4)]))
def test_linear_equals_row_by_row(seed: int, format: Int) -> None:
    x, weight, scale, bias = arrays = drawn(seed, (2, 3, 7), (5, 7))
    values = [(FP32, (-1, 3, 7)), (Int(8), (5, 7)), (FP32, (5,)), (FP32, (5,))]
    out = run_node(node(DynamicLinear(format), values, None), arrays)
    assert out.dtype == np.float32
    for index in np.ndindex(2, 3):
        codes, row_scale = encoded(x[index], format.qmax)
        acc = weight.astype(np.int64) @ codes
        expected = acc.astype(np.float32) * (row_scale * scale) + bias
        np.testing.assert_array_equal(out[index], expected)


@given(seeds, st.sampled_from([1, 2, 4]))
def test_conv2d_equals_sample_by_sample(seed: int, groups: int) -> None:
    x, weight, scale, bias = arrays = drawn(seed, (3, 5, 4, 4), (4, 3, 3, 4 // groups))
    op = DynamicConv2d((2, 1), ((1, 1), (1, 0)), (1, 1), groups, Int(8))
    values = [(FP32, (-1, 5, 4, 4)), (Int(8), (1,)), (FP32, (4,)), (FP32, (4,))]
    out = run_node(node(op, values, None), arrays)
    for sample, result in zip(x, out, strict=True):
        codes, sample_scale = encoded(sample, 127)
        padded = np.pad(codes, ((1, 1), (1, 0), (0, 0)))
        for p, q, o in np.ndindex(result.shape):
            depth = 4 // groups
            first = o // (4 // groups) * depth
            window = padded[2 * p : 2 * p + 3, q : q + 3, first : first + depth]
            acc = np.float32(int((window * weight[o]).sum()))
            assert result[p, q, o] == acc * (sample_scale * scale[o]) + bias[o]


def test_results_do_not_depend_on_the_rest_of_the_batch() -> None:
    arrays = drawn(3, (4, 7), (5, 7))
    arrays[0][2] *= 1000
    values = [(FP32, (-1, 7)), (Int(8), (5, 7)), (FP32, (5,)), (FP32, (5,))]
    layer = node(DynamicLinear(Int(8)), values, None)
    together = run_node(layer, arrays)
    for i in range(4):
        alone = run_node(layer, [arrays[0][i : i + 1], *arrays[1:]])
        np.testing.assert_array_equal(alone[0], together[i])


@pytest.mark.parametrize("tiny", [0.0, 1e-45])
def test_a_row_of_zeros_gives_the_bias(tiny: float) -> None:
    _, weight, scale, bias = drawn(4, (1, 7), (5, 7))
    values = [(FP32, (-1, 7)), (Int(8), (5, 7)), (FP32, (5,)), (FP32, (5,))]
    x = np.full((1, 7), tiny, np.float32)
    out = run_node(node(DynamicLinear(Int(8)), values, None), [x, weight, scale, bias])
    np.testing.assert_array_equal(out[0], bias)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("groups", [1, 4])
def test_a_sample_that_is_not_finite_gives_nan_and_the_others_do_not(
    bad: float, groups: int
) -> None:
    arrays = drawn(5, (3, 5, 4, 4), (4, 1, 1, 4 // groups))
    arrays[0][1, 2, 3, 0] = bad
    op = DynamicConv2d((1, 1), ((0, 0), (0, 0)), (1, 1), groups, Int(8))
    values = [(FP32, (-1, 5, 4, 4)), (Int(8), (1,)), (FP32, (4,)), (FP32, (4,))]
    out = run_node(node(op, values, None), arrays)
    assert np.isnan(out[1]).all()
    assert np.isfinite(out[[0, 2]]).all()
