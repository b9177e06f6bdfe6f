"""What an exported file promises: names, layout, batch, versions, bytes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto
from onnx.reference import ReferenceEvaluator

from intact.emit.onnx import save, to_onnx
from intact.errors import UnsupportedOpError
from intact.exec.reference import load
from intact.ir import float_ops as ops
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Program
from intact.lower.lower import lower
from intact.model import QuantizedModel
from intact.numerics.formats import FP32, Int
from intact.numerics.granularity import PerChannel
from intact.numerics.qtensor import QuantParams
from tests.contract.test_lower import absmax
from tests.unit.emit.runtime import drawn, run


def scaled(scale: float, zero_point: int, bits: int = 8) -> QuantParams:
    return QuantParams(Int(bits), np.asarray(scale, np.float32), np.asarray(zero_point))


def classifier(bits: int = 8) -> Program:
    """Convolution with ReLU, residual sum, squeeze and excite, pooling, linear layer."""
    rng = np.random.default_rng(0)
    weights = {
        "stem.weight": rng.normal(0, 0.3, (4, 3, 3, 3)),
        "gate.weight": rng.normal(0, 0.3, (4, 4, 1, 1)),
        "head.weight": rng.normal(0, 0.3, (5, 4)),
    }
    biases = {"stem.bias": rng.normal(size=4), "head.bias": rng.normal(size=5)}
    constants = {n: a.astype(np.float32) for n, a in {**weights, **biases}.items()}
    p = {n: Value(n, a.shape, FP32) for n, a in constants.items()}
    image = (-1, 4, 6, 6)
    x, y = Value("image", (-1, 3, 6, 6), FP32), Value("logits", (-1, 5), FP32)
    stem, relu = Value("stem", image, FP32), Value("stem.relu", image, FP32)
    mean, gate = Value("squeeze", (-1, 4, 1, 1), FP32), Value("gate", (-1, 4, 1, 1), FP32)
    sigmoid, product = Value("gate.sigmoid", (-1, 4, 1, 1), FP32), Value("excite", image, FP32)
    total, pooled = Value("residual", image, FP32), Value("pool", (-1, 4, 1, 1), FP32)
    flat = Value("flatten", (-1, 4), FP32)
    one, same = ((0, 0), (0, 0)), ((1, 1), (1, 1))
    nodes = (
        Node(ops.Conv((1, 1), same, (1, 1)), (x, p["stem.weight"], p["stem.bias"]), stem),
        Node(ops.Relu(), (stem,), relu),
        Node(ops.Mean((2, 3), keepdims=True), (relu,), mean),
        Node(ops.Conv((1, 1), one, (1, 1)), (mean, p["gate.weight"]), gate),
        Node(ops.Sigmoid(), (gate,), sigmoid),
        Node(ops.Mul(), (relu, sigmoid), product),
        Node(ops.Add(), (product, relu), total),
        Node(ops.AdaptiveAvgPool((1, 1)), (total,), pooled),
        Node(ops.Reshape((-1, 4)), (pooled,), flat),
        Node(ops.Linear(), (flat, p["head.weight"], p["head.bias"]), y),
    )
    observed = ["image", "stem.relu", "squeeze", "gate", "excite", "residual", "logits"]
    low = -(1 << (bits - 1))
    zero_points = [3, low, low + 1, -1, low, low, 2]
    activations = {
        n: scaled(12 / 2**bits, z, bits) for n, z in zip(observed, zero_points, strict=True)
    }
    quantized = {n: absmax(constants[n], PerChannel()) for n in weights}
    return lower(QuantizedModel(Graph((x,), (y,), nodes, constants), quantized, activations))


def op_types(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_the_file_states_who_made_it_and_which_onnx_it_needs() -> None:
    model = to_onnx(classifier())
    assert model.producer_name == "intact"
    assert model.ir_version == 10
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 21)]


def test_inputs_and_outputs_are_the_users_own_with_a_free_batch_size() -> None:
    graph = to_onnx(classifier()).graph
    described = [
        (v.name, v.type.tensor_type.elem_type, [d.dim_param or d.dim_value for d in dims])
        for v in (*graph.input, *graph.output)
        for dims in [v.type.tensor_type.shape.dim]
    ]
    assert described == [
        ("image", TensorProto.FLOAT, ["batch", 3, 6, 6]),
        ("logits", TensorProto.FLOAT, ["batch", 5]),
    ]
    program = classifier()
    for batch in (1, 4):
        inputs = drawn(program, batch)
        assert run(to_onnx(program), inputs)["logits"].shape == (batch, 5)


def test_nodes_and_tensors_keep_the_programs_names() -> None:
    program = classifier()
    graph = to_onnx(program).graph
    nodes = {node.name: node for node in graph.node}
    assert nodes["stem.relu"].op_type == "Conv"
    assert nodes["gate"].op_type == "Conv"
    assert nodes["residual"].op_type == "Add"
    assert nodes["logits.codes"].op_type == "Gemm"
    written = {name for node in graph.node for name in node.output}
    assert {"image.codes", "stem.relu", "squeeze", "gate", "excite", "residual"} <= written
    stored = {tensor.name: tensor for tensor in graph.initializer}
    assert stored["stem.weight"].data_type == TensorProto.INT8
    assert list(stored["stem.weight"].dims) == [4, 3, 3, 3]
    assert list(stored["stem.weight/scale"].dims) == [4]
    assert stored["stem.bias"].data_type == TensorProto.INT32
    assert "gate.bias" not in stored  # it is zero


def test_a_value_given_back_twice_is_one_output() -> None:
    program = classifier()
    value = next(n.output for n in program.nodes if n.name == "residual")
    nodes = tuple(n for n in program.nodes if n.name != program.outputs[0].name)
    twice = replace(program, nodes=nodes, outputs=(value, value))
    model = to_onnx(twice)
    assert [output.name for output in model.graph.output] == ["residual"]
    assert run(model, drawn(program)).keys() == {"residual"}


def test_images_are_channels_first_without_a_transpose() -> None:
    types = op_types(to_onnx(classifier()))
    assert "Transpose" not in types
    assert types.count("Reshape") == 1
    assert types.count("GlobalAveragePool") == 1


def test_every_layer_reads_and_writes_integers() -> None:
    program = classifier()
    graph = to_onnx(program).graph
    writers = {name: node.op_type for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "Add", "Mul", "Sigmoid"):
            assert writers[node.input[0]] == "DequantizeLinear"
            readers = [n.op_type for n in graph.node if node.output[0] in n.input]
            assert readers == ["QuantizeLinear"]


def test_codes_within_a_type_are_clipped_where_it_holds_more() -> None:
    assert not {"Max", "Min", "Relu"} & set(op_types(to_onnx(classifier(8))))
    narrow = op_types(to_onnx(classifier(5)))
    assert narrow.count("Min") == narrow.count("Max") == 9
    inputs = drawn(classifier(5))
    codes = run(to_onnx(classifier(5), boundaries=True), _with_codes(classifier(5), inputs))
    assert codes["residual"].min() >= -16
    assert codes["residual"].max() <= 15


def _with_codes(program: Program, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    entries = to_onnx(program, boundaries=True).graph.input
    codes = {
        entry.name: rng.integers(
            -16, 15, [d.dim_value or 3 for d in entry.type.tensor_type.shape.dim]
        ).astype(np.int8)
        for entry in entries
        if entry.name not in inputs
    }
    return {**inputs, **codes}


def test_with_boundaries_every_value_of_codes_leaves_and_enters() -> None:
    program = classifier()
    graph = to_onnx(program, boundaries=True).graph
    codes = [node.name for node in program.nodes if node.name != "logits"]
    assert [output.name for output in graph.output] == ["logits", *codes]
    assert [entry.name for entry in graph.input] == ["image", *(f"{name}.in" for name in codes)]
    read = {name for node in graph.node for name in node.input}
    dequantized = {node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    assert not dequantized & {"stem.relu", "residual"}  # they leave, and come back as stem.relu.in
    assert {"stem.relu.in", "residual.in"} <= read


def test_equal_programs_give_equal_bytes() -> None:
    first, second = (to_onnx(classifier()).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_onnx_reference_evaluator_agrees() -> None:
    program = classifier()
    inputs = drawn(program)
    (made,) = ReferenceEvaluator(to_onnx(program)).run(None, inputs)
    expected = load(program)(inputs)["logits"]
    np.testing.assert_allclose(made, expected, atol=2.01 * 12 / 256)


def test_a_file_is_written_whole_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "net.onnx"
    target.write_bytes(b"old")
    save(classifier(), target)
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
    assert onnx.load(target) == to_onnx(classifier())


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").mkdir()
    with pytest.raises(OSError, match=r"net\.onnx"):
        save(classifier(), tmp_path / "net.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stem.relu", r'ONNX needs one scale and zero point for the codes "stem.relu"'),
        ("stem.weight", r'the weight "stem.weight" has codes without scales'),
    ],
)
def test_codes_without_a_meaning_are_an_error(name: str, message: str) -> None:
    def bare(value: Value) -> Value:
        return replace(value, params=None) if value.name == name else value

    program = classifier()
    nodes = tuple(
        replace(node, inputs=tuple(map(bare, node.inputs)), output=bare(node.output))
        for node in program.nodes
    )
    with pytest.raises(UnsupportedOpError, match=message):
        to_onnx(replace(program, nodes=nodes))
