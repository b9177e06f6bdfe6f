"""Arithmetic, activations and look-ups of old and new opsets equal onnxruntime."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from intact.ir import float_ops as ops
from tests.unit.capture.onnx_models import assert_captured, kinds, model, node, normal

IMAGE = ("N", 4, 9, 8)
ROWS = ("N", 5, 6)


_ACTIVATIONS: list[tuple[str, dict[str, object], list[str]]] = [
    ("Relu", {}, ["Relu"]),
    ("LeakyRelu", {"alpha": 0.3}, ["LeakyRelu"]),
    ("Sigmoid", {}, ["Sigmoid"]),
    ("Tanh", {}, ["Tanh"]),
    ("HardSwish", {}, ["HardSwish"]),
    ("HardSigmoid", {"alpha": 1 / 6}, ["HardSigmoid"]),
    ("HardSigmoid", {}, ["Mul", "Add", "Clamp"]),
    ("Gelu", {}, ["Gelu"]),
    ("Gelu", {"approximate": "tanh"}, ["Gelu"]),
    ("Neg", {}, ["Mul"]),
    ("Identity", {}, []),
    ("Dropout", {}, ["Dropout"]),
    ("Softmax", {"axis": 1}, ["Softmax"]),
    ("Softmax", {}, ["Softmax"]),
]


@pytest.mark.parametrize(("op_type", "attributes", "expected"), _ACTIVATIONS)
def test_activation(
    op_type: str, attributes: dict[str, object], expected: list[str], tmp_path: Path
) -> None:
    graph = assert_captured(model([node(op_type, ["x"], **attributes)], ROWS), tmp_path)
    assert kinds(graph) == expected


@pytest.mark.parametrize(
    ("axis", "expected"), [(1, ["Reshape", "Softmax", "Reshape"]), (2, ["Softmax"])]
)
def test_softmax_of_old_opsets_flattens(axis: int, expected: list[str], tmp_path: Path) -> None:
    proto = model([node("Softmax", ["x"], axis=axis)], ROWS, opset=11)
    assert kinds(assert_captured(proto, tmp_path)) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 6.0, ops.Clamp(0.0, 6.0)),
        (0.0, None, ops.Relu()),
        (None, 1.0, ops.Clamp(None, 1.0)),
        (-1.0, float(np.finfo(np.float32).max), ops.Clamp(-1.0, None)),
    ],
)
def test_clip_by_attributes_and_by_inputs(
    low: float | None, high: float | None, expected: object, tmp_path: Path
) -> None:
    bounds = {k: np.float32(v) for k, v in (("min", low), ("max", high)) if v is not None}
    old = {name: float(value) for name, value in bounds.items()}
    names = [name if name in bounds else "" for name in ("min", "max")]
    constants = {name: np.asarray(value) for name, value in bounds.items()}
    for proto in (
        model([node("Clip", ["x"], **old)], ROWS, opset=10),
        model([node("Clip", ["x", *names])], ROWS, constants),
    ):
        assert assert_captured(proto, tmp_path).nodes[0].op == expected


@pytest.mark.parametrize("slope", [(1,), (4, 1, 1), (1, 4, 1, 1)])
def test_prelu(slope: tuple[int, ...], tmp_path: Path) -> None:
    proto = model([node("PRelu", ["x", "slope"])], IMAGE, {"slope": normal(*slope)})
    assert kinds(assert_captured(proto, tmp_path)) == ["Prelu"]


@pytest.mark.parametrize(
    ("op_type", "order"),
    [("Add", "xc"), ("Add", "cx"), ("Mul", "cx"), ("Sub", "xc"), ("Sub", "cx"), ("Div", "xc")],
)
@pytest.mark.parametrize("shape", [(), (6,), (1, 5, 1)])
def test_arithmetic_with_a_constant(
    op_type: str, order: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    constants = {"c": np.abs(normal(*shape)) + np.float32(0.5)}
    graph = assert_captured(model([node(op_type, list(order))], ROWS, constants), tmp_path)
    assert kinds(graph) == ["Mul" if op_type == "Div" else op_type]
    if op_type != "Sub":  # a constant factor or term stands second
        assert graph.nodes[0].inputs[1].name in graph.constants


@pytest.mark.parametrize("op_type", ["Max", "Min"])
def test_max_and_min_with_a_number_are_bounds(op_type: str, tmp_path: Path) -> None:
    proto = model([node(op_type, ["x", "c"])], ROWS, {"c": np.float32(0.25)})
    assert kinds(assert_captured(proto, tmp_path)) == ["Clamp"]


def test_square_and_sum(tmp_path: Path) -> None:
    nodes = [node("Pow", ["x", "two"], ["p"]), node("Sum", ["p", "x", "x"])]
    proto = model(nodes, ROWS, {"two": np.float32(2)})
    assert kinds(assert_captured(proto, tmp_path)) == ["Mul", "Add", "Add"]


@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_embedding(dtype: type, tmp_path: Path) -> None:
    elem_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    proto = model([node("Gather", ["t", "x"])], ("N", 7), {"t": normal(5, 3)}, elem_type=elem_type)
    assert kinds(assert_captured(proto, tmp_path)) == ["Embedding"]
