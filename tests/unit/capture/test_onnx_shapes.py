"""Pooling, resizing and moving operations of old and new opsets equal onnxruntime."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from intact.errors import UnsupportedOpError
from tests.unit.capture.onnx_models import assert_captured, kinds, load, model, node

IMAGE = ("N", 4, 9, 8)
ROWS = ("N", 5, 6)


_POOLS: list[tuple[str, dict[str, object]]] = [
    ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 3], "ceil_mode": 1}),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 0, 0], "ceil_mode": 1}),
    ("MaxPool", {"kernel_shape": [3, 2], "dilations": [2, 3]}),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ("AveragePool", {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("AveragePool", {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1}),
    (
        "AveragePool",
        {
            "kernel_shape": [3, 3],
            "strides": [2, 2],
            "ceil_mode": 1,
            "pads": [1, 1, 1, 1],
            "count_include_pad": 1,
        },
    ),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    ("GlobalAveragePool", {}),
    ("GlobalMaxPool", {}),
]


@pytest.mark.parametrize(("op_type", "attributes"), _POOLS, ids=str)
def test_pooling(op_type: str, attributes: dict[str, object], tmp_path: Path) -> None:
    graph = assert_captured(model([node(op_type, ["x"], **attributes)], IMAGE), tmp_path)
    assert len(graph.nodes) == 1


@pytest.mark.parametrize("op_type", ["ReduceMean", "ReduceSum", "ReduceMax"])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions(op_type: str, keepdims: int, tmp_path: Path) -> None:
    by_input = node(op_type, ["x", "axes"], keepdims=keepdims)
    by_attribute = node(op_type, ["x"], axes=[2, -1], keepdims=keepdims)
    assert_captured(model([by_input], IMAGE, {"axes": np.array([-1, 2])}), tmp_path)
    assert_captured(model([by_attribute], IMAGE, opset=11), tmp_path)


_RESIZES: list[tuple[dict[str, object], list[float], str]] = [
    (
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        [1.5, 2],
        "ResizeNearest",
    ),
    ({"coordinate_transformation_mode": "half_pixel"}, [2, 4], "ResizeNearest"),
    ({"mode": "linear"}, [2, 0.5], "ResizeBilinear"),
    (
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        [2, 3],
        "ResizeBilinear",
    ),
    (
        {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
        [2, 3],
        "ResizeBilinear",
    ),
]


@pytest.mark.parametrize(("attributes", "scales", "expected"), _RESIZES, ids=str)
def test_resize_by_scales_and_by_sizes(
    attributes: dict[str, object], scales: list[float], expected: str, tmp_path: Path
) -> None:
    x = ("N", 3, 4, 6)
    full = np.float32([1, 1, *scales])
    sizes = np.array([int(4 * scales[0]), int(6 * scales[1])])
    for proto in (
        model([node("Resize", ["x", "", "s"], **attributes)], x, {"s": full}),
        model([node("Resize", ["x", "", "", "s"], axes=[2, 3], **attributes)], x, {"s": sizes}),
    ):
        assert kinds(assert_captured(proto, tmp_path)) == [expected]


@pytest.mark.parametrize(
    "attributes",
    [
        {"nearest_mode": "ceil"},
        {"mode": "cubic"},
        {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
        {"mode": "linear", "antialias": 1},
    ],
    ids=str,
)
def test_resize_at_other_points_is_refused(attributes: dict[str, object], tmp_path: Path) -> None:
    constants = {"s": np.float32([1, 1, 0.6, 0.6])}
    with pytest.raises(UnsupportedOpError, match=r'ONNX Resize "y" .*\. (Use|Export)'):
        load(model([node("Resize", ["x", "", "s"], **attributes)], IMAGE, constants), tmp_path)


@pytest.mark.parametrize("opset", [7, 9, 10])
def test_upsample_of_old_opsets(opset: int, tmp_path: Path) -> None:
    scales = np.float32([1, 1, 2, 3])
    if opset == 7:
        upsample = node("Upsample", ["x"], scales=scales.tolist())
    else:
        upsample = node("Upsample" if opset == 9 else "Resize", ["x", "s"])
    proto = model([upsample], IMAGE, {"s": scales} if opset > 7 else {}, opset=opset)
    assert kinds(assert_captured(proto, tmp_path)) == ["ResizeNearest"]


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_pad(mode: str, tmp_path: Path) -> None:
    pads = np.array([1, 2, 0, 3])
    constants = {"p": pads, "v": np.float32(-1.5), "axes": np.array([2, -1])}
    proto = model([node("Pad", ["x", "p", "v", "axes"], mode=mode)], IMAGE, constants)
    assert kinds(assert_captured(proto, tmp_path)) == ["Pad"]


def test_pad_of_old_opsets_and_negative_pads(tmp_path: Path) -> None:
    old = node("Pad", ["x"], pads=[0, 0, 1, 2, 0, 0, 3, 4], value=2.0)
    assert_captured(model([old], IMAGE, opset=10), tmp_path)
    crop = model([node("Pad", ["x", "p"])], IMAGE, {"p": np.array([0, 0, -1, 2, 0, 0, 0, -3])})
    assert kinds(assert_captured(crop, tmp_path)) == ["Slice", "Slice", "Pad"]


def test_shapes_of_one_value(tmp_path: Path) -> None:
    """Flatten, Unsqueeze, Squeeze, Transpose, Expand, Tile, Split, Concat in one chain."""
    nodes = [
        node("Unsqueeze", ["x", "one"], ["u"]),
        node("Expand", ["u", "shape"], ["e"]),
        node("Transpose", ["e"], ["t"], perm=[0, 2, 1, 3]),
        node("Split", ["t", "parts"], ["s1", "s2"], "split", axis=3),
        node("Concat", ["s2", "s1"], ["c"], axis=-1),
        node("Tile", ["c", "repeats"], ["r"]),
        node("Flatten", ["r"], ["f"], axis=2),
        node("Unsqueeze", ["f", "one"], ["g"]),
        node("Squeeze", ["g", "one"]),
    ]
    constants = {
        "one": np.array([1]),
        "shape": np.array([1, 3, 1, 1]),
        "parts": np.array([2, 4]),
        "repeats": np.array([1, 1, 2, 1]),
    }
    graph = assert_captured(model(nodes, ROWS, constants), tmp_path)
    assert graph.outputs[0].shape == (-5, 36)
    assert {"split.0", "split.1"} <= {node.name for node in graph.nodes}


@pytest.mark.parametrize("opset", [7, 11, 13, 18])
def test_split_of_each_opset(opset: int, tmp_path: Path) -> None:
    attributes: dict[str, object] = {"axis": 2}
    constants = {}
    if opset < 13:
        attributes["split"] = [1, 5]
    elif opset < 18:
        constants["parts"] = np.array([1, 5])
    else:
        attributes["num_outputs"] = 3
    names = ["y", "z"] if opset < 18 else ["y", "z", "w"]
    split = node("Split", ["x", *constants], names, **attributes)
    graph = assert_captured(model([split], ROWS, constants, outputs=names, opset=opset), tmp_path)
    assert kinds(graph) == ["Slice"] * len(names)


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ([1, -3], [4, 2**62], [1, 2], [1, 2]),
        ([0, 1], [2**31 - 1, 3], [0, 1], [1, 1]),
        ([-3], [100], [2], [1]),
    ],
)
def test_slice(
    starts: list[int], ends: list[int], axes: list[int], steps: list[int], tmp_path: Path
) -> None:
    values = {"s": starts, "e": ends, "a": axes, "t": steps}
    constants = {name: np.array(value) for name, value in values.items()}
    assert_captured(model([node("Slice", ["x", "s", "e", "a", "t"])], ROWS, constants), tmp_path)
    if steps == [1] * len(steps):
        old = node("Slice", ["x"], starts=starts, ends=ends, axes=axes)
        assert_captured(model([old], ROWS, opset=9), tmp_path)


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        (np.array(2), ["Slice", "Reshape"]),
        (np.array([1, 3]), ["Slice"]),
        (np.array([-1, 0, 1, 1]), ["Slice", "Slice", "Slice", "Concat"]),
        (np.array([[0, 1], [2, 3]]), ["Slice", "Reshape"]),
        (np.arange(5), []),
    ],
)
def test_gather_of_constant_indices(
    indices: np.ndarray[tuple[int, ...], np.dtype[np.int64]], expected: list[str], tmp_path: Path
) -> None:
    proto = model([node("Gather", ["x", "i"], axis=1)], ROWS, {"i": indices})
    assert kinds(assert_captured(proto, tmp_path)) == expected


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(mode: str, tmp_path: Path) -> None:
    shuffle = node("DepthToSpace", ["x"], blocksize=2, mode=mode)
    graph = assert_captured(model([shuffle], ("N", 8, 3, 2)), tmp_path)
    assert kinds(graph) == ["Reshape", "Permute", "Reshape"]
    inverse = node("SpaceToDepth", ["x"], blocksize=2)
    assert_captured(model([inverse], ("N", 3, 4, 2)), tmp_path)


def test_casts_between_real_numbers_are_dropped(tmp_path: Path) -> None:
    nodes = [
        node("Cast", ["x"], ["h"], to=onnx.TensorProto.FLOAT16),
        node("Cast", ["h"], ["f"], to=onnx.TensorProto.FLOAT),
        node("Relu", ["f"]),
    ]
    graph = load(model(nodes, ROWS), tmp_path)
    assert kinds(graph) == ["Relu"]
