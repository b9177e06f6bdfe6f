"""Dynamic layers give the reference's float32 numbers, every bit of them."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.exec.native import dynamic
from intact.exec.native.library import native
from intact.ir.graph import Node, Value
from intact.ir.int_ops import DynamicConv2d, DynamicLinear, IntOp
from intact.ir.shapes import output_shape
from intact.numerics.formats import FP32, Int
from tests.unit.exec.native.drawing import SIZES, draw_codes
from tests.unit.exec.native.running import constants_of, run_op
from tests.unit.exec.oracle import run_node, seeds

ISAS = [isa for isa in native.Isa if isa.value <= native.best_isa().value]
activations = st.sampled_from([Int(8), Int(8, narrow=True), Int(4), Int(2), Int(12), Int(16)])
weights = st.sampled_from([Int(8), Int(4)])
bad_numbers = st.sampled_from([None, None, 0.0, 1e-45, np.nan, np.inf])


def draw_real(rng: np.random.Generator, shape: tuple[int, ...], bad: float | None) -> np.ndarray:
    """Numbers of any size; `bad` is the whole of the first sample if small, else one number."""
    x = (rng.normal(0, 1, shape) * rng.choice([1e-44, 1e-6, 1, 1e6, 1e37])).astype(np.float32)
    if bad is not None:
        x[0 if bad < 1 else (0,) * x.ndim] = bad
    return x


def check(
    op: IntOp, x: np.ndarray, weight: np.ndarray, format: Int, seed: int, threads: int
) -> None:
    rng = np.random.default_rng(seed)
    channels = len(weight)
    scale = rng.uniform(1e-3, 1e-1, channels).astype(np.float32)
    parameters = [weight, scale, rng.normal(size=channels).astype(np.float32)]
    arrays = [x, *parameters]
    formats = [FP32, format, FP32, FP32]
    values = tuple(
        Value(f"x{i}", array.shape, dtype)
        for i, (array, dtype) in enumerate(zip(arrays, formats, strict=True))
    )
    shape = output_shape(op, [array.shape for array in arrays])
    node = Node(op, values, Value("y", shape, FP32))
    expected = run_node(node, arrays)
    make = dynamic.conv2d if isinstance(op, DynamicConv2d) else dynamic.linear
    for isa in ISAS:
        made = make(op, node, replace(constants_of(node, parameters), isa=isa))
        actual = run_op(made, [x], expected, threads)
        np.testing.assert_array_equal(actual, expected)  # NaN equals NaN
        np.testing.assert_array_equal(
            np.signbit(actual[actual == 0]), np.signbit(expected[expected == 0])
        )


@given(
    seeds, activations, weights, st.sampled_from(SIZES), st.sampled_from(SIZES), bad_numbers,
    st.sampled_from([1, 2]),
)  # fmt: skip
@settings(max_examples=200)
def test_linear_equals_the_reference(
    seed: int, activation: Int, format: Int, inputs: int, outputs: int, bad: float | None,
    threads: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    x = draw_real(rng, (3, 2, inputs), bad)
    weight = draw_codes(rng, (outputs, inputs), format)
    check(DynamicLinear(activation), x, weight, format, seed, threads)


@given(
    seeds,
    activations,
    weights,
    st.sampled_from([1, 2, 3, 65]),
    bad_numbers,
    st.sampled_from([1, 2]),
)
@settings(max_examples=200)
def test_conv2d_equals_the_reference(
    seed: int, activation: Int, format: Int, groups: int, bad: float | None, threads: int
) -> None:
    rng = np.random.default_rng(seed)
    stride, dilation, kernel = (tuple(int(n) for n in rng.integers(1, 4, 2)) for _ in range(3))
    padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (2, 2)))
    depth, per_group = int(rng.choice([1, 5, 16])), int(rng.choice([1, 4, 17]))
    if groups == 65:  # more than the kernels take at once
        depth = per_group = 1
    x = draw_real(rng, (2, *(int(n) for n in rng.integers(7, 10, 2)), groups * depth), bad)
    weight = draw_codes(rng, (groups * per_group, *kernel, depth), format)
    op = DynamicConv2d(stride, padding, dilation, groups, activation)
    check(op, x, weight, format, seed, threads)
