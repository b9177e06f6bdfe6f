"""Files that are no networks, or none that intact can capture, end in one clear error."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from intact.capture.onnx import load_onnx
from intact.errors import FormatError, UnsupportedOpError
from tests.unit.capture.onnx_models import assert_captured, load, model, node, normal, steps


def _network() -> onnx.ModelProto:
    """Convolution, pooling, reshape by a computed shape, linear layer."""
    nodes = [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", ["p"], ["s"]),
        node("Gather", ["s", "zero"], ["n"], axis=0),
        node("Concat", ["n", "rest"], ["t"], axis=0),
        node("Reshape", ["p", "t"], ["f"]),
        node("Gemm", ["f", "m"], ["g"], transB=1),
        node("Slice", ["g", "zero", "two", "axis"]),
    ]
    constants = {
        "w": normal(2, 1, 3, 3),
        "zero": np.array([0]),
        "rest": np.array([-1]),
        "m": normal(3, 18),
        "two": np.array([2]),
        "axis": np.array([1]),
    }
    return model(nodes, ("N", 1, 6, 6), constants)


_BYTES = _network().SerializeToString()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx") / "network.onnx"


def _load_bytes(data: bytes, file: Path) -> None:
    """Any exception but these two fails the test."""
    file.write_bytes(data)
    message = ""
    try:
        load_onnx(file)
    except (FormatError, UnsupportedOpError) as error:
        message = str(error)
    assert "\n" not in message


@given(
    changes=st.lists(st.tuples(st.integers(0, len(_BYTES) - 1), st.integers(0, 255)), max_size=4)
)
def test_changed_bytes_give_a_clear_error_or_a_network(
    changes: list[tuple[int, int]], file: Path
) -> None:
    data = bytearray(_BYTES)
    for position, value in changes:
        data[position] = value
    _load_bytes(bytes(data), file)


@given(length=st.integers(0, len(_BYTES) - 1))
def test_truncated_files_give_a_clear_error(length: int, file: Path) -> None:
    file.write_bytes(_BYTES[:length])
    with pytest.raises(FormatError):
        load_onnx(file)


_SIZES = st.sampled_from([-(2**63), -7, -1, 0, 1, 2, 3, 7, 11, 2**16, 2**31, 2**40, 2**62])


@given(data=st.data())
def test_changed_attributes_and_constants_give_a_clear_error_or_a_network(
    data: st.DataObject, file: Path
) -> None:
    """Where bytes seldom reach: well-formed files with absurd numbers."""
    proto = onnx.ModelProto.FromString(_BYTES)
    graph = proto.graph
    lists = [a.ints for n in graph.node for a in n.attribute if a.ints]
    lists += [t.dims for t in graph.initializer]
    chosen = data.draw(st.sampled_from(range(len(lists) + 4)))
    if chosen < len(lists):
        index = data.draw(st.integers(0, len(lists[chosen]) - 1))
        lists[chosen][index] = data.draw(_SIZES)
    else:
        name = ("zero", "rest", "two", "axis")[chosen - len(lists)]
        tensor = next(t for t in graph.initializer if t.name == name)
        tensor.raw_data = np.array([data.draw(_SIZES)]).tobytes()
    _load_bytes(proto.SerializeToString(), file)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_onnx(tmp_path / "none.onnx")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a zip", b"\x00" * 100, b"hello world\n" * 9])
def test_other_files(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"other\.onnx is not"):
        load_onnx(path)


def test_nodes_in_a_circle(tmp_path: Path) -> None:
    nodes = [node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"])]
    with pytest.raises(FormatError, match="topologically sorted"):
        load(model(nodes, ("N", 3)), tmp_path)


def test_a_quantized_network(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s"], ["q"], "quantize"),
        node("DequantizeLinear", ["q", "s"]),
    ]
    with pytest.raises(UnsupportedOpError, match=r'"quantize" shows .* already quantized'):
        load(model(nodes, ("N", 3), {"s": np.float32(0.5)}), tmp_path)


@pytest.mark.parametrize(
    ("op_type", "attributes", "message"),
    [
        ("Mish", {}, r'ONNX Mish "layer" has no equivalent in intact\. Express it'),
        ("Erf", {}, r'ONNX Erf "layer" has no equivalent'),
        ("ReduceMean", {"axes": [0]}, r'"layer" mixes the samples of the batch\. Reduce'),
        ("Softmax", {"axis": 0}, r'"layer" mixes the samples of the batch\. Use'),
        ("Cast", {"to": TensorProto.INT64}, r'"layer" converts .*\. Convert outside'),
    ],
)
def test_operations_without_an_equivalent(
    op_type: str, attributes: dict[str, object], message: str, tmp_path: Path
) -> None:
    opset = 13 if op_type == "ReduceMean" else 18
    proto = model([node(op_type, ["x"], ["y"], "layer", **attributes)], ("N", 3), opset=opset)
    with pytest.raises(UnsupportedOpError, match=message):
        load(proto, tmp_path)


def test_division_by_a_computed_value(tmp_path: Path) -> None:
    proto = model([node("Sigmoid", ["x"], ["s"]), node("Div", ["x", "s"])], ("N", 3))
    with pytest.raises(UnsupportedOpError, match="divides by a value that the network computes"):
        load(proto, tmp_path)


def test_a_weight_that_the_network_computes(tmp_path: Path) -> None:
    proto = model([node("Conv", ["x", "z"])], {"x": ("N", 2, 5, 5), "z": (3, 2, 3, 3)})
    with pytest.raises(UnsupportedOpError, match='reads "z" where intact needs a constant'):
        load(proto, tmp_path)


def test_integers_are_not_computed_with(tmp_path: Path) -> None:
    proto = model([node("Add", ["x", "x"])], ("N", 3), elem_type=TensorProto.INT64)
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(UnsupportedOpError, match="computes with integers"):
        load(proto, tmp_path)


def test_control_flow_and_other_domains(tmp_path: Path) -> None:
    branch = helper.make_graph(
        [node("Identity", ["x"], ["b"])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)],
    )
    nodes = [node("If", ["c"], then_branch=branch, else_branch=branch)]
    with pytest.raises(UnsupportedOpError, match=r'ONNX If "y" has attribute .*control flow'):
        load(model(nodes, ("N", 3), {"c": np.array(True)}), tmp_path)
    proto = model([node("FusedConv", ["x"], domain="com.microsoft")], ("N", 3))
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(UnsupportedOpError, match=r"domain com\.microsoft"):
        load(proto, tmp_path)


def test_opsets_that_are_too_old_or_too_new(tmp_path: Path) -> None:
    for version in (6, 26):
        with pytest.raises(UnsupportedOpError, match=f"uses ONNX opset {version}; intact reads 7"):
            load(model([node("Relu", ["x"])], ("N", 3), opset=version), tmp_path)


def test_a_huge_constant_from_a_small_file(tmp_path: Path) -> None:
    nodes = [node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"])]
    proto = model(nodes, ("N", 3), {"s": np.array([2**15, 2**15, 3])})
    with pytest.raises(FormatError, match=r"computes a constant of \d+ elements"):
        load(proto, tmp_path)


def test_outputs_that_depend_on_nothing(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"]), node("Relu", ["c"], ["z"])]
    proto = model(nodes, ("N", 3), {"c": normal(2)}, outputs=("y", "z"))
    with pytest.raises(UnsupportedOpError, match='output "z" is a constant'):
        load(proto, tmp_path)


def test_an_input_given_out_unchanged(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"]), node("Identity", ["x"], ["z"])]
    graph = assert_captured(model(nodes, ("N", 3), outputs=("y", "z")), tmp_path)
    assert [value.name for value in graph.outputs] == ["y", "z"]


def test_nodes_that_nothing_reads_do_not_count(tmp_path: Path) -> None:
    nodes = [node("Mish", ["x"], ["unused"]), node("Relu", ["x"])]
    assert len(load(model(nodes, ("N", 3)), tmp_path).nodes) == 1


def test_names_are_unique_and_those_of_the_file(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="same"),
        helper.make_node("Tanh", ["a"], ["b"], name="same"),
        helper.make_node("Sigmoid", ["b"], ["y"]),
    ]
    graph = load(model(nodes, ("N", 3)), tmp_path)
    assert [node.name for node in graph.nodes] == ["same", "same.1", "y"]


@pytest.mark.parametrize("broken", [b"a\xffb", b"a\nb"])
def test_names_that_are_no_text(broken: bytes, tmp_path: Path) -> None:
    data = model([node("Relu", ["x"], name="a_b")], ("N", 3)).SerializeToString()
    path = tmp_path / "network.onnx"
    path.write_bytes(data.replace(b"a_b", broken))
    with pytest.raises(FormatError, match=r"name that is no printable text|is not"):
        load_onnx(path)


def test_functions_of_the_model_are_inlined(tmp_path: Path) -> None:
    proto = model([node("Twice", ["x"], ["y"], domain="local")], ("N", 3))
    body = [node("Add", ["a", "a"], ["b"]), node("Tanh", ["b"], ["c"])]
    opsets = [helper.make_opsetid("", 20)]
    proto.functions.append(helper.make_function("local", "Twice", ["a"], ["c"], body, opsets))
    proto.opset_import.append(helper.make_opsetid("local", 1))
    assert len(steps(assert_captured(proto, tmp_path))) == 2


def test_functions_that_double_thirty_times_are_refused(tmp_path: Path) -> None:
    proto = model([node("F0", ["x"], domain="local")], ("N", 3))
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    for i in range(30):
        callee = {"op_type": f"F{i + 1}", "domain": "local"} if i < 29 else {"op_type": "Relu"}
        body = [helper.make_node(inputs=[a], outputs=[b], **callee) for a, b in ("ab", "bc")]
        proto.functions.append(helper.make_function("local", f"F{i}", "a", "c", body, opsets))
    proto.opset_import.append(opsets[1])
    with pytest.raises(FormatError, match="functions hold more than 100000 nodes"):
        load(proto, tmp_path)


def test_external_data_beside_the_file(tmp_path: Path) -> None:
    proto = model([node("Gemm", ["x", "w"])], ("N", 40), {"w": normal(40, 30)})
    path = tmp_path / "network.onnx"
    options = {"save_as_external_data": True, "location": "w.bin", "size_threshold": 0}
    onnx.save_model(onnx.ModelProto.FromString(proto.SerializeToString()), path, **options)
    np.testing.assert_array_equal(load_onnx(path).constants["w"], normal(40, 30).T)
    (tmp_path / "w.bin").write_bytes(b"short")
    with pytest.raises(FormatError, match=r"network\.onnx is not a valid ONNX file"):
        load_onnx(path)
    (tmp_path / "w.bin").unlink()
    with pytest.raises(FormatError, match=r"network\.onnx is not a valid ONNX file"):
        load_onnx(path)


def test_external_data_outside_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(normal(40, 30).tobytes())
    proto = model([node("Gemm", ["x", "w"])], ("N", 40), {"w": normal(40, 30)})
    folder = tmp_path / "models"
    folder.mkdir()
    for location in ("../secret", str(tmp_path / "secret")):
        moved = onnx.ModelProto.FromString(proto.SerializeToString())
        tensor = moved.graph.initializer[0]
        onnx.external_data_helper.set_external_data(tensor, location)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        with pytest.raises(FormatError, match="is not a valid ONNX file"):
            load(moved, folder)


def test_half_precision_and_double_become_single(tmp_path: Path) -> None:
    for elem_type, dtype in ((TensorProto.FLOAT16, np.float16), (TensorProto.DOUBLE, np.float64)):
        constants = {"w": normal(6, 4).astype(dtype)}
        proto = model([node("MatMul", ["x", "w"])], ("N", 6), constants, elem_type=elem_type)
        proto.graph.output[0].type.tensor_type.elem_type = elem_type
        graph = load(proto, tmp_path)
        assert graph.constants["w"].dtype == np.float32
        assert str(graph.inputs[0].dtype) == "fp32"
