"""Layers of 16-bit codes on vectors equal the reference."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

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
KINDS = ("dense", "grouped", "depthwise")
INT16, NARROW16 = Int(16), Int(16, narrow=True)
pytestmark = pytest.mark.skipif(not ISAS, reason="no vectors on this CPU")


Layer: TypeAlias = tuple[Node, list[np.ndarray]]
"""A node, and its input, weight and bias."""


def node_of(op: int_ops.QConv2d | int_ops.QLinear, source: Int, arrays: list[np.ndarray]) -> Node:
    values = tuple(
        Value(name, array.shape, format)
        for name, array, format in zip("xwb", arrays, (source, Int(8), Int(64)), strict=True)
    )
    return Node(op, values, Value("y", output_shape(op, [v.shape for v in values]), INT16))


def draw_layer(
    op_type: Callable[..., int_ops.QConv2d | int_ops.QLinear],
    rng: np.random.Generator,
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
) -> Layer:
    source = NARROW16 if rng.random() < 0.3 else INT16
    x = draw_codes(rng, x_shape, source)
    weight = draw_codes(rng, w_shape, Int(8))
    largest = int(np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1).max()) << 15
    bias = rng.integers(-largest, largest + 1, len(weight))
    requant = draw_requant(rng, len(weight), INT16, largest, wide=True)
    op = op_type(input_zero_point=0, weight_zero_point=None, requant=requant)
    node = node_of(op, source, [x, weight, bias])
    check_layer(op, node.inputs, node.output, {"w": weight, "b": bias})
    return node, [x, weight, bias]


def check(node: Node, arrays: list[np.ndarray], threads: int) -> None:
    expected = run_node(node, arrays)
    constants = constants_of(node, arrays[1:])
    for isa in ISAS:
        made = _make(node.op, node, constants, isa)
        assert made is not None
        np.testing.assert_array_equal(run_op(made, arrays[:1], expected, threads), expected)


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
    rng = np.random.default_rng(seed)
    check(*draw_layer(int_ops.QLinear, rng, (rows, inputs), (outputs, inputs)), threads)


def draw_conv2d(rng: np.random.Generator, kind: str) -> Layer:
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
    return draw_layer(op, rng, shape, (groups * per_group, *kernel, depth))


@given(seeds, st.sampled_from(KINDS), st.sampled_from([1, 2]))
@settings(max_examples=150)
def test_conv2d_equals_the_reference(seed, kind, threads):
    check(*draw_conv2d(np.random.default_rng(seed), kind), threads)


def largest_sums(inputs: int) -> Layer:
    weight = np.full((17, inputs), -128, np.int8)
    x = np.full((1, inputs), -(1 << 15), np.int16)
    requant = draw_requant(np.random.default_rng(0), 17, INT16, inputs << 22, wide=True)
    arrays = [x, weight, np.zeros(17, np.int64)]
    return node_of(int_ops.QLinear(0, None, requant), INT16, arrays), arrays


@pytest.mark.parametrize("inputs", [508, 509, 2048])
def test_the_largest_sums_fit(inputs):
    check(*largest_sums(inputs), threads=1)
