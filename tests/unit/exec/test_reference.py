"""The interpreter: order, inputs, constants, memory, tracing."""

from typing import get_args

import numpy as np
import pytest

from intact.exec import reference
from intact.exec.reference import load, prepare, trace
from intact.exec.runner import check_inputs, describe
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Dequantize, IntOp, QLinear, Quantize, Requantize
from intact.numerics.formats import FP32, Int
from intact.numerics.qtensor import QuantParams
from tests.unit.exec.oracle import requant

PARAMS = QuantParams(Int(8), np.asarray(0.5, np.float32), np.asarray(0))
X = Value("x", (-1, 3), FP32)
CODES = Value("codes", (-1, 3), Int(8), PARAMS)
WEIGHT = Value("fc.weight", (2, 3), Int(8))
BIAS = Value("fc.bias", (2,), Int(32))
FC = Value("fc", (-1, 2), Int(8), PARAMS)
Y = Value("y", (-1, 2), FP32)
CONSTANTS = {
    "fc.weight": np.array([[1, 2, 3], [-1, 0, 1]], np.int8),
    "fc.bias": np.array([10, -10], np.int32),
}


def program() -> Graph[IntOp]:
    """Quantize, QLinear, Dequantize."""
    layer = QLinear(0, None, requant(1.0, Int(8)))
    nodes: tuple[Node[IntOp], ...] = (
        Node(Quantize(PARAMS), (X,), CODES),
        Node(layer, (CODES, WEIGHT, BIAS), FC),
        Node(Dequantize(PARAMS), (FC,), Y),
    )
    return Graph((X,), (Y,), nodes, CONSTANTS)


def batch(rows: int) -> dict[str, np.ndarray]:
    return {"x": np.arange(3 * rows, dtype=np.float32).reshape(rows, 3)}


def test_every_operation_has_a_kernel() -> None:
    known = {*reference._KERNELS, *reference._WITH_PARAMETERS}
    assert known == set(get_args(int_ops.QuantizedBodyOp))
    assert not set(reference._KERNELS) & set(reference._WITH_PARAMETERS)


def test_a_program_runs() -> None:
    result = load(program())(batch(2))
    assert list(result) == ["y"]
    assert result["y"].dtype == np.float32
    # codes [[0, 2, 4], [6, 8, 10]]; sums [[26, -6], [62, -6]] halves as real numbers
    assert result["y"].tolist() == [[13.0, -3.0], [31.0, -3.0]]


def test_any_batch_size_with_one_runner() -> None:
    run = load(program())
    whole = run(batch(5))["y"]
    for row in range(5):
        one = {"x": batch(5)["x"][row : row + 1]}
        np.testing.assert_array_equal(run(one)["y"], whole[row : row + 1])
    assert run(batch(0))["y"].shape == (0, 2)


def test_trace_returns_every_value_and_no_constants() -> None:
    values = trace(program())(batch(1))
    assert list(values) == ["x", "codes", "fc", "y"]
    assert values["codes"].tolist() == [[0, 2, 4]]
    assert values["codes"].dtype == np.int8


def test_inputs_are_not_written_to() -> None:
    inputs = batch(2)
    before = inputs["x"].copy()
    load(program())(inputs)
    np.testing.assert_array_equal(inputs["x"], before)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"expected inputs \['x'\]; missing: \['x'\], unknown: \[\]"),
        (
            {"x": np.zeros((1, 3), np.float32), "z": np.zeros(1)},
            r"missing: \[\], unknown: \['z'\]",
        ),
        ({"x": np.zeros((1, 3))}, 'input "x" has dtype float64, expected float32'),
        (
            {"x": np.zeros((1, 4), np.float32)},
            r'input "x" has shape \(1, 4\), expected \(N, 3\) at batch size 1',
        ),
        ({"x": np.zeros(3, np.float32)}, r"has shape \(3,\), expected \(N, 3\)"),
    ],
)
def test_refuses_inputs_that_do_not_fit(inputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(program())(inputs)


def test_inputs_agree_on_the_batch_size() -> None:
    graph: Graph[IntOp] = Graph((X, Value("z", (-2,), FP32)), (), (), {})
    assert check_inputs(graph, {**batch(3), "z": np.zeros(6, np.float32)}) == 3
    with pytest.raises(ValueError, match=r"has shape \(5,\), expected \(2\*N,\) at batch size 3"):
        check_inputs(graph, {**batch(3), "z": np.zeros(5, np.float32)})
    assert describe((2, -1, -4)) == "(2, N, 4*N)"


def test_a_graph_without_batch_axis_has_batch_size_one() -> None:
    x = Value("x", (3,), FP32)
    graph = Graph(
        (x,), (Value("y", (3,), FP32),), (Node(ops.Relu(), (x,), Value("y", (3,), FP32)),), {}
    )
    assert load(graph)({"x": np.array([-1, 0, 2], np.float32)})["y"].tolist() == [0, 0, 2]


def test_constant_parts_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A float layer's weights are stored as codes and read through Dequantize."""
    real = Value("fc.weight.real", (2, 3), FP32)
    nodes = (
        Node(Dequantize(PARAMS), (WEIGHT,), real),
        Node(ops.Linear(), (X, real), Y),
    )
    graph: Graph[IntOp] = Graph((X,), (Y,), nodes, {"fc.weight": CONSTANTS["fc.weight"]})
    calls = []
    original = QuantParams.dequantize
    monkeypatch.setattr(
        QuantParams, "dequantize", lambda self, codes: calls.append(1) or original(self, codes)
    )
    run = load(graph)
    first, second = run(batch(2)), run(batch(2))
    assert len(calls) == 1
    np.testing.assert_array_equal(first["y"], batch(2)["x"] @ CONSTANTS["fc.weight"].T * 0.5)
    np.testing.assert_array_equal(first["y"], second["y"])
    assert "fc.weight.real" in trace(graph)(batch(1))


def test_values_are_freed_after_their_last_reader() -> None:
    values = [X, *(Value(f"v{i}", (-1, 3), FP32) for i in range(1, 5))]
    nodes = [
        Node(ops.Relu(), (values[0],), values[1]),
        Node(ops.Add(), (values[1], values[0]), values[2]),
        Node(ops.Relu(), (values[2],), values[3]),
        Node(ops.Add(), (values[3], values[1]), values[4]),
    ]
    graph: Graph[IntOp] = Graph((X,), (values[2], values[4]), tuple(nodes), {})
    assert reference._last_uses(graph, nodes) == [(), ("x",), (), ("v3", "v1")]
    assert set(load(graph)(batch(1))) == {"v2", "v4"}


def test_an_output_may_be_an_input_or_a_constant() -> None:
    graph: Graph[IntOp] = Graph((X,), (X, WEIGHT), (), {"fc.weight": CONSTANTS["fc.weight"]})
    result = load(graph)(batch(1))
    np.testing.assert_array_equal(result["x"], batch(1)["x"])
    np.testing.assert_array_equal(result["fc.weight"], CONSTANTS["fc.weight"])


def test_weights_may_be_computed_at_run_time() -> None:
    layer = QLinear(0, None, requant(1.0, Int(8)))
    node: Node[IntOp] = Node(layer, (CODES, WEIGHT, BIAS), FC)
    codes = np.array([[1, 2, 3]], np.int8)
    inputs = [codes, CONSTANTS["fc.weight"], CONSTANTS["fc.bias"]]
    at_run_time = prepare(node, {})(inputs, 1)
    np.testing.assert_array_equal(at_run_time, prepare(node, CONSTANTS)(inputs, 1))


def test_codes_move_in_float_operations() -> None:
    flat = Value("flat", (-3,), Int(8))
    nodes: tuple[Node[IntOp], ...] = (
        Node(Quantize(PARAMS), (X,), CODES),
        Node(ops.Reshape((-3,)), (CODES,), flat),
        Node(Requantize(0, requant(2.0, Int(8))), (flat,), Value("out", (-3,), Int(8))),
    )
    graph: Graph[IntOp] = Graph((X,), (Value("out", (-3,), Int(8)),), nodes, {})
    assert load(graph)(batch(2))["out"].tolist() == [0, 4, 8, 12, 16, 20]


def test_a_node_that_breaks_its_declared_shape_is_an_error() -> None:
    wrong = Graph((X,), (Y,), (Node(ops.Relu(), (X,), Y),), {})
    with pytest.raises(AssertionError, match=r"y: Relu gave \(1, 3\) float32"):
        load(wrong)(batch(1))


def test_little_is_not_folded_into_much() -> None:
    few, many = Value("few", (1,), FP32), Value("many", (1 << 31,), FP32)
    one = {"few": np.ones(1, np.float32)}
    for size, folded in ((1 << 20, True), (1 << 31, False)):
        value = Value("many", (size,), FP32)
        expand: Node[IntOp] = Node(ops.Expand((size,)), (few,), value)
        constants, nodes = reference.fold(Graph((), (value,), (expand,), one))
        assert ("many" in constants, nodes == []) == (folded, folded)
    load(Graph((), (many,), (Node(ops.Expand((1 << 31,)), (few,), many),), one))


def test_a_constant_index_of_no_row_is_an_error_of_the_run() -> None:
    small, index = Value("small", (2,), Int(8)), Value("index", (2,), Int(8))
    rows = Value("rows", (2, 3), FP32)
    nodes: tuple[Node[IntOp], ...] = (
        Node(ops.Add(), (small, small), index),
        Node(ops.Embedding(), (index, Value("table", (2, 3), FP32)), rows),
    )
    constants = {"small": np.array([0, 1], np.int8), "table": np.ones((2, 3), np.float32)}
    run = load(Graph((), (rows,), nodes, constants))
    with pytest.raises(IndexError):
        run({})
