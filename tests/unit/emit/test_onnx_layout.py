"""However a value is seen and moved, the tensor behind it holds that value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

from intact.emit.onnx.layout import (
    View,
    arranged,
    channels_first,
    channels_last,
    plain,
    reshaped,
)
from intact.emit.onnx.writer import Writer
from intact.ir.graph import Value
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32


def evaluated(writer: Writer, source: Value, x: Array, view: View) -> Array:
    """The value that `view` shows, computed by ONNX's reference evaluator."""
    result = Value(view.tensor, view.tensor_shape, FP32)
    graph = writer.graph([source], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (tensor,) = ReferenceEvaluator(model).run(None, {source.name: x})
    return np.asarray(tensor).transpose(view.axes)


def sample(shape: tuple[int, ...]) -> tuple[Writer, Value, Array]:
    source = Value("x", shape, FP32)
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Writer([source], ["x"]), source, x


shapes = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple)


@given(data=st.data(), shape=shapes)
def test_a_chain_of_moves_shows_what_numpy_shows(
    data: st.DataObject, shape: tuple[int, ...]
) -> None:
    writer, source, x = sample(shape)
    view, expected = plain("x", shape), x
    for _ in range(data.draw(st.integers(1, 4))):
        rank = len(view.shape)
        axes = tuple(data.draw(st.permutations(range(rank))))
        match data.draw(st.sampled_from(["permute", "arrange", "reshape"])):
            case "permute":
                view, expected = view.permuted(axes), expected.transpose(axes)
            case "arrange":
                view = arranged(writer, view, axes)
                assert view.axes == axes
            case "reshape":
                ones = data.draw(st.integers(0, 2))
                long = tuple(n for n in view.shape if n != 1)
                kept = (*long, *(1,) * ones)
                target = tuple(data.draw(st.permutations(kept))) or (1,)
                view = reshaped(writer, view, target)
                expected = expected.reshape(target)
        assert view.shape == expected.shape
    if view.tensor != "x":
        np.testing.assert_array_equal(evaluated(writer, source, x, view), expected)


def test_permuting_writes_no_node() -> None:
    writer, _, _ = sample((2, 3, 4, 5))
    nhwc = plain("x", (2, 3, 4, 5)).permuted((0, 2, 3, 1))
    assert nhwc.shape == (2, 4, 5, 3)
    assert nhwc.axes == channels_last(4)
    assert nhwc.permuted(channels_first(4)) == plain("x", (2, 3, 4, 5))
    assert arranged(writer, nhwc, channels_last(4)) == nhwc
    assert writer.nodes == []


@pytest.mark.parametrize(
    ("stored", "shape"),
    [
        ((-1, 7, 1, 1), (-1, 1, 1, 7)),  # one pixel, channels first to last
        ((-1, 1, 5, 6), (-1, 5, 6, 1)),  # one channel
    ],
)
def test_a_reshape_that_moves_only_single_entries_writes_no_node(
    stored: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    writer = Writer([Value("x", stored, FP32)], ["x"])
    view = reshaped(writer, plain("x", stored), shape)
    assert view == View("x", shape, channels_last(4))
    assert writer.nodes == []


def test_a_row_of_pixels_stays_channels_first() -> None:
    writer = Writer([Value("x", (-1, 4, 9), FP32)], ["x"])
    rows = plain("x", (-1, 4, 9)).permuted((0, 2, 1))
    image = reshaped(writer, rows, (-1, 1, 9, 4))
    assert image.tensor_shape == (-1, 4, 1, 9)
    assert [node.op_type for node in writer.nodes] == ["Reshape"]


def test_the_same_transpose_is_written_once() -> None:
    writer, _, _ = sample((2, 3, 4))
    turned = plain("x", (2, 3, 4)).permuted((0, 2, 1))
    assert arranged(writer, turned) == arranged(writer, turned)
    assert len(writer.nodes) == 1
