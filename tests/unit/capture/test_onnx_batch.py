"""The batch axis is found, followed through shape arithmetic, and freed where it was fixed."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

from intact.capture.onnx.batch import Freed, free_reshape
from intact.errors import FormatError, UnsupportedOpError
from intact.ir.graph import with_batch
from tests.unit.capture.onnx_models import (
    Dim,
    assert_captured,
    kinds,
    load,
    model,
    node,
    normal,
    run,
)


def _shape_chain(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Shape of x, and its sizes n, t, d as lists of one."""
    sizes = [node("Gather", ["shape", f"i{i}"], [name], axis=0) for i, name in enumerate("ntd")]
    return [node("Shape", ["x"], ["shape"]), *sizes, *nodes]


_INDICES = {f"i{i}": np.array([i]) for i in range(3)}


def test_shape_arithmetic_on_the_batch(tmp_path: Path) -> None:
    """(n, t, heads * 3) to (n * heads, t, 3) and back, as an exporter of attention writes it."""
    nodes = _shape_chain(
        [
            node("Mul", ["n", "heads"], ["nh"]),
            node("Div", ["d", "heads"], ["width"]),
            node("Concat", ["n", "t", "heads", "width"], ["four"], axis=0),
            node("Concat", ["nh", "t", "width"], ["three"], axis=0),
            node("Reshape", ["x", "four"], ["a"]),
            node("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3]),
            node("Reshape", ["b", "three"], ["c"]),
            node("Transpose", ["c"], ["ct"], perm=[0, 2, 1]),
            node("MatMul", ["c", "ct"], ["y"]),
        ]
    )
    graph = assert_captured(
        model(nodes, ("N", 5, 6), _INDICES | {"heads": np.array([2])}), tmp_path
    )
    assert kinds(graph) == ["Reshape", "Permute", "Reshape", "Permute", "MatMul"]
    assert graph.nodes[2].output.shape == (-2, 5, 3)


def test_constants_of_the_batch_size_are_expanded(tmp_path: Path) -> None:
    """A class token of (n, 1, d) in front of the tokens, and zeros of (n, 1, d) added."""
    nodes = _shape_chain(
        [
            node("Concat", ["n", "minus", "minus"], ["full"], axis=0),
            node("Abs", ["full"], ["positive"]),
            node("Expand", ["token", "positive"], ["tokens"]),
            node("Concat", ["tokens", "x"], ["c"], axis=1),
            node("Concat", ["n", "i1", "i1"], ["ones"], axis=0),
            node("ConstantOfShape", ["ones"], ["zeros"]),
            node("Add", ["c", "zeros"]),
        ]
    )
    constants = _INDICES | {"minus": np.array([-1]), "token": normal(1, 1, 6)}
    graph = assert_captured(model(nodes, ("N", 5, 6), constants), tmp_path)
    assert kinds(graph) == ["Expand", "Concat", "Add"]
    assert graph.outputs[0].shape == (-1, 6, 6)


def test_numbers_computed_from_the_batch_size_are_refused(tmp_path: Path) -> None:
    nodes = _shape_chain(
        [node("Cast", ["n"], ["f"], to=onnx.TensorProto.FLOAT), node("Mul", ["x", "f"])]
    )
    with pytest.raises(UnsupportedOpError, match=r'ONNX Mul "y" reads numbers .* batch size'):
        load(model(nodes, ("N", 5, 6), _INDICES), tmp_path)


def test_a_size_that_is_no_multiple_of_the_batch_is_refused(tmp_path: Path) -> None:
    padded = model([node("Concat", ["x", "c"], axis=0)], ("N", 2), {"c": normal(1, 2)})
    with pytest.raises(UnsupportedOpError, match=r"sizes 8, 12 at the batch sizes 7, 11"):
        load(padded, tmp_path)


def test_a_fixed_batch_is_made_free(tmp_path: Path) -> None:
    """At sizes 1 and 2, with everything that an exporter writes down for that size."""
    for size in (1, 2):
        nodes = [
            node("Concat", ["token", "x"], ["c"], axis=1),  # (n, 6, 4)
            node("Reshape", ["c", "heads"], ["h"]),  # (n, 6, 2, 2)
            node("Transpose", ["h"], ["t"], perm=[0, 2, 1, 3]),
            node("Reshape", ["t", "folded"], ["f"]),  # (n * 2, 6, 2)
            node("Softmax", ["f"], ["s"]),
            node("Reshape", ["s", "unfolded"], ["u"]),  # (n, 2, 12)
            node("Reshape", ["u", "flat"], ["y"]),
        ]
        token = np.broadcast_to(normal(1, 1, 4), (size, 1, 4))
        constants = {
            "token": np.ascontiguousarray(token),
            "heads": np.array([size, 6, 2, 2]),
            "folded": np.array([size * 2, 6, 2]),
            "unfolded": np.array([size, 2, 12]),
            "flat": np.array([size, 24]),
        }
        proto = model(nodes, (size, 5, 4), constants)
        graph = assert_captured(proto, tmp_path, batches=[size])
        assert graph.outputs[0].shape == (-1, 24)
        assert [n.output.shape for n in graph.nodes if n.name == "f"] == [(-2, 6, 2)]
        _assert_samples_alone(graph, proto, size)


def _assert_samples_alone(graph: object, proto: onnx.ModelProto, size: int) -> None:
    """The graph at batch 2 * size gives what the file gives for each half."""
    x = normal(2 * size, 5, 4)
    evaluator = ReferenceEvaluator(proto)
    halves = [evaluator.run(None, {"x": half})[0] for half in np.split(x, 2)]
    (together,) = run(graph, {"x": x})  # type: ignore[arg-type]
    np.testing.assert_allclose(together, np.concatenate(halves), atol=1e-5)


def test_a_fixed_batch_in_sizes_of_resize_and_expand(tmp_path: Path) -> None:
    nodes = [
        node("Resize", ["x", "", "", "sizes"], ["r"], mode="nearest",
             coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("GlobalAveragePool", ["r"], ["p"]),
        node("Expand", ["p", "shape"]),
    ]  # fmt: skip
    constants = {"sizes": np.array([2, 3, 8, 8]), "shape": np.array([2, 3, 5, 5])}
    graph = assert_captured(model(nodes, (2, 3, 4, 4), constants), tmp_path, batches=[2])
    assert graph.outputs[0].shape == (-1, 3, 5, 5)


def test_what_works_at_one_batch_size_alone_is_refused(tmp_path: Path) -> None:
    proto = model([node("Add", ["x", "c"])], (3, 4), {"c": normal(3, 4)})
    with pytest.raises(UnsupportedOpError, match=r"batch size 3 alone\. Export .* dynamic first"):
        load(proto, tmp_path)


@pytest.mark.parametrize(
    ("shapes", "error", "message"),
    [
        ({"x": ("N", 3, "height", 8)}, UnsupportedOpError, r"dynamic size \(height\) in axis 2.*"
         r"make_dynamic_shape_fixed --dim_param height --dim_value SIZE"),
        ({"x": (2, 3), "z": (4, 3)}, UnsupportedOpError, "different fixed first dimensions"),
        ({"x": ("N", 0)}, FormatError, "size 0 in axis 1"),
        ({"x": (2**40, 3)}, FormatError, "has shape"),
    ],
)  # fmt: skip
def test_inputs_that_cannot_be_captured(
    shapes: dict[str, tuple[Dim, ...]], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        load(model([node("Relu", ["x"])], shapes), tmp_path)


def test_a_fixed_input_beside_a_dynamic_one_does_not_follow_the_batch(tmp_path: Path) -> None:
    proto = model([node("Add", ["x", "z"])], {"x": ("N", 3), "z": (1, 3)})
    graph = assert_captured(proto, tmp_path)
    assert [value.shape for value in graph.inputs] == [(-1, 3), (1, 3)]


@pytest.mark.parametrize(
    ("source", "inner", "fixed", "size", "expected"),
    [
        ((-1, 4, 6), 1, (1, 4, 2, 3), 1, ((-1, 4, 2, 3), 1)),
        ((-2, 4, 3), 1, (1, 2, 4, 3), 1, ((-1, 2, 4, 3), 1)),
        ((5, -1, 6), 1, (5, 2, 3), 1, ((5, -2, 3), 1)),  # heads behind the batch
        ((5, -2, 3), 1, (5, 6), 1, ((-5, 6), 5)),  # (time, batch) as rows of a matrix
        ((-5, 6), 5, (5, 1, 6), 1, ((5, -1, 6), 1)),
        ((-5, 6), 5, (5, 2, 6), 2, ((5, -1, 6), 1)),
        ((-1, 6), 1, (4, 3), 2, ((-2, 3), 1)),
    ],
)
def test_free_reshape_by_hand(
    source: tuple[int, ...],
    inner: int,
    fixed: tuple[int, ...],
    size: int,
    expected: tuple[tuple[int, ...], int],
) -> None:
    found = free_reshape(Freed(source, inner), (with_batch(source, size), fixed), size)
    assert found == Freed(*expected)


@given(
    st.lists(st.integers(2, 4), max_size=2),
    st.lists(st.integers(2, 4), max_size=3),
    st.integers(2, 5),
)
def test_free_reshape_keeps_each_sample_in_place(
    ahead: list[int], behind: list[int], size: int
) -> None:
    """Merging all axes and splitting them again finds the batch where it was."""
    shape = (*ahead, -1, *behind)
    merged = free_reshape(
        Freed(shape, 1), (with_batch(shape, size), (int(np.prod(with_batch(shape, size))),)), size
    )
    assert merged is not None
    assert merged.inner == np.prod(ahead, dtype=int)
    back = free_reshape(merged, (with_batch(merged.shape, size), with_batch(shape, size)), size)
    assert back == Freed(shape, 1)
