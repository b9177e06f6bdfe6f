"""Operations on real numbers: what the reference computes, but for the order of sums."""

import numpy as np
import pytest

from intact.errors import UnsupportedOpError
from intact.exec import reference
from intact.ir import float_ops as ops
from intact.ir.graph import Graph, Node, Value
from intact.lower.lower import lower
from intact.model import Dynamic, QuantizedModel
from intact.numerics.formats import BF16, FP16, FP32, Format, Int
from intact.numerics.granularity import PerChannel
from intact.numerics.qtensor import QuantParams, ScaledTensor
from tests.contract.test_lower import BATCH, CASES, Case, absmax, network

pytest.importorskip("tflite", reason="pip install 'intact[tflite]'")
pytest.importorskip("ai_edge_litert", reason="pip install 'intact[litert]'")

from intact.verification import litert

REFUSED = {"conv-transpose-grouped"}  # no operator


def inputs_of(case: Case, rng: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = [[abs(n) * (BATCH if n < 0 else 1) for n in shape] for shape in case.inputs]
    return {
        f"x{i}": rng.normal(0.1, 1.5, shape).astype(np.float32) for i, shape in enumerate(shapes)
    }


@pytest.mark.parametrize("last", [False, True], ids=["plain", "channels-last"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_float_operations(case: Case, last: bool) -> None:
    rng = np.random.default_rng(5)
    program = lower(QuantizedModel(network(case, rng, last=last), {}, {}))
    if case.name in REFUSED:
        with pytest.raises(UnsupportedOpError, match='"y"'):
            litert.load(program)
        return
    inputs = inputs_of(case, rng)
    expected = reference.load(program)(inputs)["y"]
    made = litert.load(program)(inputs)["y"]
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def stored(weight: np.ndarray, format: Format, groups: int) -> ScaledTensor:
    """A weight as codes; with groups, scales for parts of axis 1 too."""
    if not isinstance(format, Int):
        params = QuantParams(format, np.ones((1,) * weight.ndim, np.float32))
        return ScaledTensor(params.quantize(weight), params)
    shape = (weight.shape[0], groups, *(1,) * (weight.ndim - 2))
    size = weight.shape[1] // groups
    parts = np.abs(weight).reshape(weight.shape[0], groups, size, -1).max(axis=(2, 3))
    params = QuantParams(format, (parts.reshape(shape) / format.qmax).astype(np.float32))
    return ScaledTensor(params.quantize(weight), params)


@pytest.mark.parametrize("name", ["conv", "conv-depthwise", "conv1d", "linear-rows"])
@pytest.mark.parametrize(
    ("format", "groups"), [(FP16, 1), (Int(8), 1), (Int(4), 1), (Int(8), 2), (Int(4), 2)], ids=str
)
def test_stored_weights(name: str, format: Format, groups: int) -> None:
    rng = np.random.default_rng(6)
    case = next(case for case in CASES if case.name == name)
    graph = network(case, rng, last=False)
    weight = graph.constants["p0"]
    parts = groups if weight.shape[1] % groups == 0 else 1
    model = QuantizedModel(graph, {"p0": stored(weight, format, parts)}, {})
    program = lower(model)
    inputs = inputs_of(case, rng)
    expected = reference.load(program)(inputs)["y"]
    made = litert.load(program)(inputs)["y"]
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5)


def test_weights_without_a_type_in_tflite_are_refused_by_name() -> None:
    case = next(case for case in CASES if case.name == "linear")
    graph = network(case, np.random.default_rng(7), last=False)
    model = QuantizedModel(graph, {"p0": stored(graph.constants["p0"], BF16, 1)}, {})
    with pytest.raises(UnsupportedOpError, match=r'"p0.real": .*bf16.* float16'):
        litert.load(lower(model))


@pytest.mark.parametrize("name", ["conv", "conv-depthwise", "conv1d", "linear", "linear-rows"])
def test_dynamic_range(name: str) -> None:
    """LiteRT's convolutions quantize asymmetrically what they read, with another rounding."""
    rng = np.random.default_rng(8)
    case = next(case for case in CASES if case.name == name)
    graph = network(case, rng, last=False)
    weights = {"p0": absmax(graph.constants["p0"], PerChannel())}
    program = lower(QuantizedModel(graph, weights, {"x0": Dynamic(Int(8))}))
    inputs = inputs_of(case, rng)
    expected = reference.load(program)(inputs)["y"]
    made = litert.load(program)(inputs)["y"]
    allowed = 1e-5 if name.startswith("linear") else 0.02
    assert np.abs(made - expected).max() <= allowed * np.abs(expected).max()


def test_stored_weights_may_be_moved() -> None:
    """As where a network ties a layer's weight to an embedding."""
    rng = np.random.default_rng(9)
    weight = rng.normal(size=(5, 7)).astype(np.float32)
    codes = absmax(weight, PerChannel())
    x, w, moved, y = (
        Value(name, shape, FP32)
        for name, shape in (("x", (-1, 5)), ("w", (5, 7)), ("moved", (7, 5)), ("y", (-1, 7)))
    )
    nodes = Node(ops.Permute((1, 0)), (w,), moved), Node(ops.Linear(), (x, moved), y)
    graph = Graph((x,), (y,), nodes, {"w": weight})
    program = lower(QuantizedModel(graph, {"w": codes}, {}))
    inputs = {"x": rng.normal(size=(3, 5)).astype(np.float32)}
    expected = reference.load(program)(inputs)["y"]
    np.testing.assert_allclose(litert.load(program)(inputs)["y"], expected, rtol=1e-5, atol=1e-5)
