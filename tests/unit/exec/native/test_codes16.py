"""Layers of 16-bit codes on vectors equal the reference."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.exec.native import codes16
from intact.exec.native.building import Constants
from intact.exec.native.library import native
from intact.ir import int_ops
from intact.ir.graph import Node, Value
from intact.ir.layer_rules import check_layer
from intact.ir.shapes import output_shape
from intact.numerics.formats import Int
from tests.unit.exec.native.drawing import draw_codes, draw_requant
from tests.unit.exec.native.running import constants_of, run_op
from tests.unit.exec.oracle import run_node, seeds

ISAS = [isa for isa in native.Isa if 0 < isa.value <= native.best_isa().value]
INT16, NARROW16 = Int(16), Int(16, narrow=True)
pytestmark = pytest.mark.skipif(not ISAS, reason="no vectors on this CPU")


def check(
    op_type: Callable[..., int_ops.QConv2d | int_ops.QLinear],
    rng: np.random.Generator,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    threads: int,
) -> None:
    source = NARROW16 if rng.random() < 0.3 else INT16
    x = draw_codes(rng, x_shape, source)
    weight = draw_codes(rng, w_shape, Int(8))
    largest = int(np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1).max()) << 15
    bias = rng.integers(-largest, largest + 1, len(weight))
    requant = draw_requant(rng, len(weight), INT16, largest, wide=True)
    op = op_type(input_zero_point=0, weight_zero_point=None, requant=requant)
    inputs = (
        Value("x", x.shape, source),
        Value("w", weight.shape, Int(8)),
        Value("b", bias.shape, Int(64)),
    )
    node = Node(op, inputs, Value("y", output_shape(op, [v.shape for v in inputs]), INT16))
    check_layer(op, inputs, node.output, {"w": weight, "b": bias})
    expected = run_node(node, [x, weight, bias])
    constants = constants_of(node, [weight, bias])
    for isa in ISAS:
        made = _make(op, node, constants, isa)
        assert made is not None
        np.testing.assert_array_equal(run_op(made, [x], expected, threads), expected)


def _make(
    op: int_ops.QConv2d | int_ops.QLinear, node: Node, constants: Constants, isa: native.Isa
) -> native.Op | None:
    limited = replace(constants, isa=isa)
    if isinstance(op, int_ops.QConv2d):
        return codes16.conv2d(op, node, limited)
    return codes16.linear(op, node, limited)


# Around a piece of the depth whose sums fit 32 bits (508), and a panel of outputs (16 or 64).
@given(
    seeds,
    st.sampled_from([1, 3, 4, 31, 507, 508, 509, 513, 1017, 1100]),
    st.sampled_from([1, 7, 8, 16, 17, 63, 65, 130]),
    st.sampled_from([1, 3, 23, 25, 60]),
    st.sampled_from([1, 3]),
)
@settings(max_examples=100)
def test_linear_equals_the_reference(seed, inputs, outputs, rows, threads):
    check(int_ops.QLinear, np.random.default_rng(seed), (rows, inputs), (outputs, inputs), threads)


@given(seeds, st.sampled_from(["dense", "grouped", "depthwise"]), st.sampled_from([1, 2]))
@settings(max_examples=150)
def test_conv2d_equals_the_reference(seed, kind, threads):
    rng = np.random.default_rng(seed)
    groups = 1 if kind == "dense" else int(rng.integers(2, 4))
    depth, per_group = int(rng.choice([1, 3, 17, 70])), int(rng.choice([1, 2, 17, 66]))
    if kind == "depthwise":
        groups, depth, per_group = int(rng.choice([1, 3, 16, 63, 64, 65, 130])), 1, 1
    kernel = tuple(int(k) for k in rng.integers(1, 4, 2))
    stride = tuple(int(s) for s in rng.integers(1, 4, 2))
    padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (2, 2)))
    dilation = tuple(int(d) for d in rng.choice([1, 1, 2, 3], 2))

    def op(**numbers: object) -> int_ops.QConv2d:
        return int_ops.QConv2d(stride, padding, dilation, groups, **numbers)

    shape = (2, *(int(n) for n in rng.integers(7, 10, 2)), groups * depth)
    check(op, rng, shape, (groups * per_group, *kernel, depth), threads)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("inputs", [508, 509, 2048])
def test_the_largest_sums_fit(isa, inputs):
    weight = np.full((17, inputs), -128, np.int8)
    x = np.full((1, inputs), -(1 << 15), np.int16)
    requant = draw_requant(np.random.default_rng(0), 17, INT16, inputs << 22, wide=True)
    op = int_ops.QLinear(0, None, requant)
    values = (
        Value("x", x.shape, INT16), Value("w", weight.shape, Int(8)), Value("b", (17,), Int(64)),
    )  # fmt: skip
    node = Node(op, values, Value("y", (1, 17), INT16))
    bias = np.zeros(17, np.int64)
    expected = run_node(node, [x, weight, bias])
    made = _make(op, node, constants_of(node, [weight, bias]), isa)
    np.testing.assert_array_equal(run_op(made, [x], expected), expected)
