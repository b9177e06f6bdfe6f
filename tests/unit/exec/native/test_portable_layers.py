"""Portable convolutions, linear layers, products and embeddings equal the reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.exec.native import portable
from intact.ir import int_ops
from intact.ir.graph import Node, Value
from intact.ir.layer_rules import check_layer
from intact.ir.shapes import output_shape
from intact.numerics.formats import Int
from intact.numerics.integers import weight_integers
from tests.unit.exec.native.drawing import (
    SIZES,
    Layer,
    draw_activation,
    draw_codes,
    draw_layer,
    draw_requant,
)
from tests.unit.exec.native.running import constants_of, run_op
from tests.unit.exec.oracle import run_node, seeds


def layer_node(op: int_ops.IntOp, layer: Layer, x: np.ndarray) -> Node:
    """A node that `verify` would accept."""
    inputs = (
        Value("x", x.shape, layer.source),
        Value("weight", layer.weight.shape, layer.weight_format),
        Value("bias", layer.bias.shape, layer.bias_format),
    )
    shape = output_shape(op, [value.shape for value in inputs])
    node = Node(op, inputs, Value("y", shape, layer.output))
    check_layer(op, inputs, node.output, {"weight": layer.weight, "bias": layer.bias})
    return node


def draw_window(rng: np.random.Generator, kind: str) -> tuple[dict, tuple[int, ...], int]:
    """Attributes of a convolution, the shape of its weight, and its input's channels."""
    groups = 1 if kind == "dense" else int(rng.integers(2, 4))
    depth, per_group = int(rng.choice([1, 3, 17])), int(rng.choice([1, 2, 5, 17]))
    if kind == "depthwise":
        groups, depth, per_group = int(rng.choice(SIZES)), 1, 1
    kernel = tuple(int(k) for k in rng.integers(1, 4, 2))
    attributes = {
        "stride": tuple(int(s) for s in rng.integers(1, 4, 2)),
        "padding": tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (2, 2))),
        "dilation": tuple(int(d) for d in rng.choice([1, 1, 2, 3], 2)),
        "groups": groups,
    }
    return attributes, (groups * per_group, *kernel, depth), groups * depth


@given(seeds, st.sampled_from(["dense", "grouped", "depthwise"]), st.sampled_from([1, 2]))
@settings(max_examples=300)
def test_conv2d_equals_the_reference(seed: int, kind: str, threads: int) -> None:
    rng = np.random.default_rng(seed)
    attributes, shape, channels = draw_window(rng, kind)
    layer = draw_layer(rng, shape)
    # Large enough for one window of 3 taps at dilation 3.
    x = draw_codes(rng, (2, *rng.integers(7, 10, 2), channels), layer.source)
    op = int_ops.QConv2d(
        **attributes,
        input_zero_point=layer.zero_point,
        weight_zero_point=layer.weight_zero_point,
        requant=layer.requant,
        weight_shift=layer.weight_shift,
    )
    node = layer_node(op, layer, x)
    parameters = [layer.weight, layer.bias]
    expected = run_node(node, [x, *parameters])
    made = portable.conv2d(op, node, constants_of(node, parameters))
    np.testing.assert_array_equal(run_op(made, [x], expected, threads), expected)


@given(seeds, st.sampled_from(["dense", "grouped", "depthwise"]), st.sampled_from([1, 2]))
@settings(max_examples=200)
def test_conv_transpose2d_equals_the_reference(seed: int, kind: str, threads: int) -> None:
    rng = np.random.default_rng(seed)
    attributes, shape, channels = draw_window(rng, kind)
    layer = draw_layer(rng, shape)
    # 7 pixels are left of 6 of padding on each side.
    x = draw_codes(rng, (2, *rng.integers(7, 9, 2), channels), layer.source)
    op = int_ops.QConvTranspose2d(
        **attributes,
        output_padding=tuple(int(p) for p in rng.integers(0, 3, 2)),
        input_zero_point=layer.zero_point,
        weight_zero_point=layer.weight_zero_point,
        requant=layer.requant,
        weight_shift=layer.weight_shift,
    )
    node = layer_node(op, layer, x)
    parameters = [layer.weight, layer.bias]
    expected = run_node(node, [x, *parameters])
    made = portable.conv_transpose2d(op, node, constants_of(node, parameters))
    np.testing.assert_array_equal(run_op(made, [x], expected, threads), expected)


@given(seeds, st.sampled_from([*SIZES, 300]), st.sampled_from(SIZES), st.sampled_from([1, 2]))
@settings(max_examples=200)
def test_linear_equals_the_reference(seed: int, inputs: int, outputs: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    layer = draw_layer(rng, (outputs, inputs))
    x = draw_codes(rng, (2, int(rng.integers(1, 3)), inputs), layer.source)
    op = int_ops.QLinear(
        layer.zero_point, layer.weight_zero_point, layer.requant, layer.weight_shift
    )
    node = layer_node(op, layer, x)
    parameters = [layer.weight, layer.bias]
    expected = run_node(node, [x, *parameters])
    made = portable.linear(op, node, constants_of(node, parameters))
    np.testing.assert_array_equal(run_op(made, [x], expected, threads), expected)


def test_linear_takes_the_largest_sums() -> None:
    # 32767 * 32767 * 2**16 is beyond 2**46, and so is its negative.
    inputs = 1 << 16
    limits = np.array([-32768]), np.array([32767])
    requant = int_ops.Requant(np.array([1 << 30]), np.array([-31]), 0, *limits, 64)
    op = int_ops.QLinear(0, None, requant)
    weight = np.full((2, inputs), 32767, np.int16)
    weight[1] = -32767
    bias = np.zeros(2, np.int64)
    x = np.full((1, inputs), 32767, np.int16)
    layer = Layer(Int(16), 0, weight, Int(16, narrow=True), None, bias, Int(16), requant)
    node = layer_node(op, layer, x)
    expected = run_node(node, [x, weight, bias])
    assert expected.tolist() == [[16384 - 1, -16384 + 1]]
    made = portable.linear(op, node, constants_of(node, [weight, bias]))
    np.testing.assert_array_equal(run_op(made, [x], expected), expected)


@given(seeds, st.sampled_from([1, 2, 17, 64]), st.sampled_from(SIZES), st.sampled_from([1, 2]))
@settings(max_examples=300)
def test_matmul_equals_the_reference(seed: int, depth: int, columns: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    leading = tuple(int(n) for n in rng.integers(1, 4, rng.integers(0, 4)))

    def operand(rows: int, columns: int) -> tuple[np.ndarray, Int, int]:
        """Some leading axes are broadcast, some missing."""
        own = [n if rng.random() < 0.6 else 1 for n in leading]
        format, zero_point = draw_activation(rng)
        shape = (*own[int(rng.integers(len(own) + 1)) :], rows, columns)
        return draw_codes(rng, shape, format), format, zero_point

    a, a_format, a_zero_point = operand(int(rng.integers(1, 6)), depth)
    b, b_format, b_zero_point = operand(depth, columns)
    largest = depth
    for format, zero_point in ((a_format, a_zero_point), (b_format, b_zero_point)):
        largest *= max(format.qmax - zero_point, zero_point - format.qmin)
    wide = largest >= 1 << 31 or rng.random() < 0.2
    output, _ = draw_activation(rng)
    requant = draw_requant(rng, columns, output, largest, wide)
    op = int_ops.QMatMul(a_zero_point, b_zero_point, requant)
    shape = output_shape(op, [a.shape, b.shape])
    values = Value("a", a.shape, a_format), Value("b", b.shape, b_format)
    node = Node(op, values, Value("y", shape, output))
    expected = run_node(node, [a, b])
    np.testing.assert_array_equal(run_op(portable.matmul(op), [a, b], expected, threads), expected)


def draw_embedding(seed: int) -> tuple[Node, Layer, np.ndarray]:
    """An embedding, and what the reference makes of each of its rows."""
    rng = np.random.default_rng(seed)
    rows, depth = int(rng.integers(1, 9)), int(rng.choice(SIZES))
    layer = draw_layer(rng, (rows, depth))
    largest = int(np.abs(weight_integers(layer.weight, layer.weight_format, None)).max())
    requant = draw_requant(rng, rows, layer.output, largest, bool(rng.integers(2)))
    op = int_ops.QEmbedding(layer.weight_zero_point, requant)
    weight = Value("weight", layer.weight.shape, layer.weight_format)
    indices = np.arange(rows)
    inputs = (Value("x", indices.shape, Int(64)), weight)
    node = Node(op, inputs, Value("y", (rows, depth), layer.output))
    return node, layer, run_node(node, [indices, layer.weight])


@given(seeds, st.sampled_from(["int64", "int32", "int16", "uint8"]), st.sampled_from([1, 2]))
def test_embedding_equals_the_reference(seed: int, dtype: str, threads: int) -> None:
    node, layer, rows = draw_embedding(seed)
    indices = np.random.default_rng(seed).integers(0, len(rows), (3, 2)).astype(dtype)
    made = portable.embedding(node.op, node, constants_of(node, [layer.weight]))
    expected = rows[indices]
    np.testing.assert_array_equal(run_op(made, [indices], expected, threads), expected)


@pytest.mark.parametrize("dtype", ["int64", "int8"])
@pytest.mark.parametrize("beyond", [-1, 0])
def test_embedding_refuses_the_index_of_no_row(dtype: str, beyond: int) -> None:
    node, layer, rows = draw_embedding(1)
    index = beyond if beyond < 0 else len(rows)
    made = portable.embedding(node.op, node, constants_of(node, [layer.weight]))
    with pytest.raises(IndexError, match=f"rows are 0..{len(rows) - 1}"):
        run_op(made, [np.array([0, index], dtype)], rows[[0, 0]])
