"""Layers that exporters spell out are captured as one operation."""

import math
from pathlib import Path

import numpy as np
import onnx
import pytest

from intact.errors import UnsupportedOpError
from tests.unit.capture.onnx_models import assert_captured, kinds, model, node, normal

ROWS = ("N", 5, 6)
IMAGE = ("N", 4, 3, 5)


def _number(value: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(value, np.float32)


_NUMBERS = {
    "half": _number(0.5),
    "one": _number(1),
    "two": _number(2),
    "three": _number(3),
    "six": _number(6),
    "zero": _number(0),
    "sixth": _number(1 / 6),
    "root2": _number(math.sqrt(2)),
    "inverse_root2": _number(1 / math.sqrt(2)),
    "cubic": _number(0.044715),
    "root2pi": _number(math.sqrt(2 / math.pi)),
    "quick": _number(1.702),
}
_Spelling = list[tuple[str, str, str]]  # op type, inputs, output

_GELU: dict[str, _Spelling] = {
    "half last": [
        ("Div", "x root2", "d"),
        ("Erf", "d", "e"),
        ("Add", "e one", "a"),
        ("Mul", "x a", "m"),
        ("Mul", "m half", "y"),
    ],
    "half first": [
        ("Mul", "half x", "h"),
        ("Mul", "x inverse_root2", "d"),
        ("Erf", "d", "e"),
        ("Add", "one e", "a"),
        ("Mul", "a h", "y"),
    ],
    "tanh": [
        ("Pow", "x three", "p"),
        ("Mul", "p cubic", "c"),
        ("Add", "x c", "s"),
        ("Mul", "s root2pi", "r"),
        ("Tanh", "r", "t"),
        ("Add", "t one", "a"),
        ("Mul", "x a", "m"),
        ("Mul", "half m", "y"),
    ],
}
_OTHERS: dict[str, tuple[_Spelling, list[str]]] = {
    "silu": ([("Sigmoid", "x", "s"), ("Mul", "s x", "y")], ["Silu"]),
    "hard-sigmoid": (
        [("Add", "x three", "a"), ("Clip", "a zero six", "c"), ("Div", "c six", "y")],
        ["HardSigmoid"],
    ),
    "hard-swish by parts": (
        [
            ("Add", "x three", "a"),
            ("Clip", "a zero six", "c"),
            ("Mul", "c sixth", "s"),
            ("Mul", "x s", "y"),
        ],
        ["HardSwish"],
    ),
    "hard-swish divided last": (
        [
            ("Add", "three x", "a"),
            ("Clip", "a zero six", "c"),
            ("Mul", "x c", "m"),
            ("Div", "m six", "y"),
        ],
        ["HardSwish"],
    ),
    "quick gelu is no gelu": (
        [("Mul", "x quick", "q"), ("Sigmoid", "q", "s"), ("Mul", "x s", "y")],
        ["Mul", "Sigmoid", "Mul"],
    ),
    "a gate of another value is no silu": (
        [("Relu", "x", "r"), ("Sigmoid", "r", "s"), ("Mul", "x s", "y")],
        ["Relu", "Sigmoid", "Mul"],
    ),
}


def _model(spelling: _Spelling) -> onnx.ModelProto:
    nodes = [node(op_type, inputs.split(), [output]) for op_type, inputs, output in spelling]
    return model(nodes, ROWS, _NUMBERS)


@pytest.mark.parametrize("spelling", _GELU.values(), ids=_GELU.keys())
def test_gelu(spelling: _Spelling, tmp_path: Path) -> None:
    assert kinds(assert_captured(_model(spelling), tmp_path)) == ["Gelu"]


@pytest.mark.parametrize(("spelling", "expected"), _OTHERS.values(), ids=_OTHERS.keys())
def test_other_activations(spelling: _Spelling, expected: list[str], tmp_path: Path) -> None:
    assert kinds(assert_captured(_model(spelling), tmp_path)) == expected


def test_hard_swish_of_the_hard_sigmoid_operation(tmp_path: Path) -> None:
    nodes = [node("HardSigmoid", ["x"], ["s"], alpha=1 / 6), node("Mul", ["x", "s"])]
    assert kinds(assert_captured(model(nodes, ROWS), tmp_path)) == ["HardSwish"]


def test_a_part_that_is_read_elsewhere_stays(tmp_path: Path) -> None:
    nodes = [
        node("Sigmoid", ["x"], ["s"]),
        node("Mul", ["x", "s"], ["m"]),
        node("Add", ["m", "s"]),
    ]
    graph = assert_captured(model(nodes, ROWS), tmp_path)
    assert sorted(kinds(graph)) == ["Add", "Sigmoid", "Silu"]


def _layer_norm(square: str, divide: str, *, twice: bool = False) -> list[onnx.NodeProto]:
    """The nodes between "x" and "n"."""
    mean = node("ReduceMean", ["x", "axes"], ["m"])
    other = node("Sub", ["x", "m"], ["d2"]) if twice else None
    difference = node("Sub", ["x", "m"], ["d"])
    base = "d2" if twice else "d"
    squared = node(square, [base, "two"] if square == "Pow" else [base, base], ["q"])
    rest = [
        node("ReduceMean", ["q", "axes"], ["v"]),
        node("Add", ["v", "eps"], ["ve"]),
        node("Sqrt", ["ve"], ["r"]),
    ]
    if divide == "Div":
        end = [node("Div", ["d", "r"], ["n"])]
    else:
        end = [node("Reciprocal", ["r"], ["i"]), node("Mul", ["d", "i"], ["n"])]
    return [mean, difference, *([other] if other else []), squared, *rest, *end]


_NORM_CONSTANTS = {
    "axes": np.array([-1]),
    "two": _number(2),
    "eps": _number(1e-3),
    "g": normal(6),
    "b": normal(6, seed=1),
}


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize(("square", "divide"), [("Pow", "Div"), ("Mul", "Reciprocal")])
def test_layer_norm(square: str, divide: str, twice: bool, tmp_path: Path) -> None:
    affine = [node("Mul", ["n", "g"], ["s"]), node("Add", ["s", "b"])]
    nodes = [*_layer_norm(square, divide, twice=twice), *affine]
    graph = assert_captured(model(nodes, ROWS, _NORM_CONSTANTS, opset=18), tmp_path)
    assert kinds(graph) == ["LayerNorm"]
    assert set(graph.constants) == {"g", "b"}


def test_layer_norm_without_parameters(tmp_path: Path) -> None:
    nodes = [*_layer_norm("Pow", "Div"), node("Relu", ["n"])]
    graph = assert_captured(model(nodes, ROWS, _NORM_CONSTANTS, opset=18), tmp_path)
    assert kinds(graph) == ["LayerNorm", "Relu"]


def test_a_standardization_of_another_axis_names_its_square_root(tmp_path: Path) -> None:
    nodes = [*_layer_norm("Pow", "Div"), node("Relu", ["n"])]
    constants = _NORM_CONSTANTS | {"axes": np.array([1])}
    with pytest.raises(UnsupportedOpError, match='ONNX Sqrt "r" has no equivalent'):
        assert_captured(model(nodes, ROWS, constants, opset=18), tmp_path)


@pytest.mark.parametrize("trivial", [True, False], ids=["ones and zeros", "scale and bias"])
def test_group_norm(trivial: bool, tmp_path: Path) -> None:
    inner = {"s": np.ones(2, np.float32), "z": np.zeros(2, np.float32)}
    if not trivial:
        inner = {"s": normal(2, seed=2), "z": normal(2, seed=3)}
    constants = inner | {
        "grouped": np.array([0, 2, -1]),
        "g": normal(4, 1, 1),
        "b": normal(4, 1, 1, seed=1),
    }
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Reshape", ["x", "grouped"], ["r"]),
        node("InstanceNormalization", ["r", "s", "z"], ["i"]),
        node("Reshape", ["i", "shape"], ["back"]),
        node("Mul", ["back", "g"], ["m"]),
        node("Add", ["m", "b"]),
    ]
    graph = assert_captured(model(nodes, IMAGE, constants), tmp_path)
    assert kinds(graph) == ["GroupNorm"]
    if trivial:
        assert set(graph.constants) == {"g", "b"}
