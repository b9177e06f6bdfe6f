"""Convolutions, products and normalization of old and new opsets equal onnxruntime."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from intact.ir import float_ops as ops
from tests.unit.capture.onnx_models import assert_captured, kinds, model, node, normal, steps

IMAGE = ("N", 4, 9, 8)
ROWS = ("N", 5, 6)


def _conv(
    x: tuple[int | str, ...], weight: tuple[int, ...], **attributes: object
) -> onnx.ModelProto:
    constants = {"w": normal(*weight), "b": normal(weight[0])}
    return model([node("Conv", ["x", "w", "b"], **attributes)], x, constants)


_CONVOLUTIONS = {
    "1d": _conv(("N", 4, 9), (6, 2, 3), group=2, strides=[2], pads=[2, 1]),
    "asymmetric": _conv(IMAGE, (6, 4, 3, 2), pads=[0, 1, 2, 0], strides=[2, 1]),
    "dilated": _conv(IMAGE, (6, 4, 3, 3), dilations=[2, 3], pads=[2, 3, 2, 3]),
    "depthwise": _conv(IMAGE, (8, 1, 3, 3), group=4),
    "same_upper": _conv(IMAGE, (6, 4, 3, 2), auto_pad="SAME_UPPER", strides=[2, 3]),
    "same_lower": _conv(IMAGE, (6, 4, 2, 2), auto_pad="SAME_LOWER", strides=[1, 2]),
    "valid": _conv(IMAGE, (6, 4, 3, 3), auto_pad="VALID"),
}


@pytest.mark.parametrize("proto", _CONVOLUTIONS.values(), ids=_CONVOLUTIONS.keys())
def test_convolution(proto: onnx.ModelProto, tmp_path: Path) -> None:
    graph = assert_captured(proto, tmp_path)
    assert kinds(graph) == ["Conv"]
    assert set(graph.constants) == {"w", "b"}


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 3], "output_padding": [1, 2], "pads": [1, 0, 1, 1]},
        {"strides": [2, 2], "dilations": [2, 1], "group": 2},
        {"strides": [2, 2], "output_shape": [17, 16]},
        {"strides": [2, 2], "output_shape": [17, 16], "auto_pad": "SAME_UPPER"},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
    ],
    ids=str,
)
def test_transposed_convolution(attributes: dict[str, object], tmp_path: Path) -> None:
    constants = {"w": normal(4, 3, 3, 3)}
    graph = assert_captured(
        model([node("ConvTranspose", ["x", "w"], **attributes)], IMAGE, constants), tmp_path
    )
    assert kinds(graph) == ["ConvTranspose"]


@pytest.mark.parametrize(
    ("attributes", "weight", "bias", "expected"),
    [
        ({}, (6, 5), (5,), ["Linear"]),
        ({"transB": 1, "alpha": 0.5, "beta": 2.0}, (5, 6), (5,), ["Linear"]),
        ({"transB": 1}, (5, 6), (1, 5), ["Linear"]),
        ({}, (6, 5), (), ["Linear"]),
        ({}, (6, 5), None, ["Linear"]),
    ],
)
def test_gemm_by_a_constant(
    attributes: dict[str, object],
    weight: tuple[int, ...],
    bias: tuple[int, ...] | None,
    expected: list[str],
    tmp_path: Path,
) -> None:
    constants = {"w": normal(*weight)} | ({} if bias is None else {"b": normal(*bias)})
    gemm = node("Gemm", ["x", *constants], **attributes)
    graph = assert_captured(model([gemm], ("N", 6), constants), tmp_path)
    assert kinds(graph) == expected
    assert graph.constants["w"].shape == (5, 6)


def test_gemm_of_two_values(tmp_path: Path) -> None:
    nodes = [
        node("Flatten", ["x"], ["a"]),
        node("Gemm", ["a", "z", "b"], alpha=0.5, transB=1),
    ]
    proto = model(nodes, {"x": ("N", 2, 3), "z": (5, 6)}, {"b": normal(5)})
    graph = assert_captured(proto, tmp_path)
    assert kinds(graph) == ["Reshape", "Permute", "Mul", "MatMul", "Add"]


def test_matmul_and_its_bias_are_one_linear_layer(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["m"], "fc"), node("Add", ["b", "m"], ["y"], "fc_bias")]
    proto = model(nodes, ROWS, {"w": normal(6, 4), "b": normal(4)})
    graph = assert_captured(proto, tmp_path)
    assert [(kind, n.name) for kind, n in zip(kinds(graph), steps(graph), strict=True)] == [
        ("Linear", "fc")
    ]
    assert set(graph.constants) == {"w", "b"}
    assert graph.constants["w"].shape == (4, 6)


def test_matmul_whose_sum_is_read_twice_keeps_it(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["m"]),
        node("Add", ["m", "b"], ["s"]),
        node("Mul", ["m", "s"]),
    ]
    proto = model(nodes, ROWS, {"w": normal(6, 4), "b": normal(4)})
    assert kinds(assert_captured(proto, tmp_path)) == ["Linear", "Add", "Mul"]


def test_one_weight_in_two_layouts_gets_two_names(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["m"]),
        node("Gemm", ["m", "w"], transB=1),
    ]
    graph = assert_captured(model(nodes, ("N", 6), {"w": normal(6, 6)}), tmp_path)
    assert set(graph.constants) == {"w", "w.1"}


def test_one_weight_in_one_layout_is_stored_once(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["m"]), node("MatMul", ["m", "w"])]
    graph = assert_captured(model(nodes, ("N", 6), {"w": normal(6, 6)}), tmp_path)
    assert set(graph.constants) == {"w"}


def test_matmul_of_computed_values_and_by_a_stack_of_matrices(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        node("MatMul", ["x", "t"], ["m"]),
        node("MatMul", ["m", "w"]),
    ]
    graph = assert_captured(model(nodes, ROWS, {"w": normal(1, 5, 3)}), tmp_path)
    assert kinds(graph) == ["Permute", "MatMul", "MatMul"]


@pytest.mark.parametrize("opset", [7, 9, 14, 15])
def test_batch_norm(opset: int, tmp_path: Path) -> None:
    constants = {"g": normal(4), "b": normal(4, seed=1), "m": normal(4, seed=2)}
    constants["v"] = np.abs(normal(4, seed=3)) + 0.5
    proto = model(
        [node("BatchNormalization", ["x", "g", "b", "m", "v"], epsilon=1e-3, momentum=0.8)],
        IMAGE,
        constants,
        opset=opset,
    )
    graph = assert_captured(proto, tmp_path)
    assert graph.nodes[0].op == ops.BatchNorm(pytest.approx(1e-3), 0.2)  # type: ignore[arg-type]


@pytest.mark.parametrize(("axis", "shape"), [(-1, (6,)), (1, (5, 6)), (2, (6,)), (-1, (1, 6))])
def test_layer_norm(axis: int, shape: tuple[int, ...], tmp_path: Path) -> None:
    normalize = node("LayerNormalization", ["x", "g", "b"], axis=axis)
    proto = model([normalize], ROWS, {"g": normal(*shape), "b": normal(*shape, seed=1)})
    graph = assert_captured(proto, tmp_path)
    assert kinds(graph) == ["LayerNorm"]


def test_layer_norm_without_bias(tmp_path: Path) -> None:
    normalize = node("LayerNormalization", ["x", "g"], epsilon=1e-2)
    graph = assert_captured(model([normalize], ROWS, {"g": normal(6)}), tmp_path)
    assert not graph.constants["y.beta"].any()


def test_group_norm(tmp_path: Path) -> None:
    constants = {"g": normal(4), "b": normal(4, seed=1)}
    normalize = node("GroupNormalization", ["x", "g", "b"], num_groups=2)
    graph = assert_captured(model([normalize], IMAGE, constants, opset=21), tmp_path)
    assert kinds(graph) == ["GroupNorm"]
    assert graph.constants["g"].shape == (4,)


def test_instance_norm_is_group_norm_of_single_channels(tmp_path: Path) -> None:
    constants = {"g": normal(4), "b": normal(4, seed=1)}
    graph = assert_captured(
        model([node("InstanceNormalization", ["x", "g", "b"])], IMAGE, constants), tmp_path
    )
    assert graph.nodes[0].op == ops.GroupNorm(4, pytest.approx(1e-5))  # type: ignore[arg-type]
