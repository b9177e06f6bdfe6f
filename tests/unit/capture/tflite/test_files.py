"""What a Program of a .tflite file looks like, and what is refused with a way out."""

from pathlib import Path

import numpy as np
import pytest

import intact
from intact.capture.tflite import read
from intact.errors import UnsupportedOpError
from intact.ir.boundary import code_boundary
from intact.ir.int_ops import Dequantize, QAdd, Quantize
from intact.ir.verify import verify
from intact.numerics.formats import FP32, Int
from tests.unit.capture.tflite.building import File
from tests.unit.capture.tflite.keyword_net import keyword_net


def added() -> File:
    file = File()
    x, y = file.input((1, 4), zero_point=3), file.output((1, 4), scale=0.1)
    file.operator("ADD", [x, x], [y], "AddOptions")
    return file


def refused(file: File, tmp_path: Path, reason: str) -> None:
    path = file.save(tmp_path / "net.tflite")
    with pytest.raises(UnsupportedOpError, match=reason) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_real_numbers_go_in_and_come_out(tmp_path: Path) -> None:
    program = read(added().save(tmp_path / "net.tflite"))
    assert [type(node.op) for node in program.nodes] == [Quantize, QAdd, Dequantize]
    (x,), (y,) = program.inputs, program.outputs
    assert (x.name, x.shape, x.dtype) == ("x0", (-1, 4), FP32)
    assert (y.name, y.shape, y.dtype) == ("y0", (-1, 4), FP32)
    verify(program, integer_only=True)


def test_between_are_the_codes_of_the_file(tmp_path: Path) -> None:
    program = code_boundary(read(added().save(tmp_path / "net.tflite"))).program
    (x,), (y,) = program.inputs, program.outputs
    assert (x.name, x.dtype, y.name, y.dtype) == ("x0.codes", Int(8), "y0.codes", Int(8))
    assert y.params is not None
    assert y.params.scale == np.float32(0.1)


def test_quantize_and_dequantize_of_the_file_are_the_ends(tmp_path: Path) -> None:
    file = File()
    x, codes, sums = file.input((1, 4), "float32", None), file.tensor((1, 4)), file.tensor((1, 4))
    file.operator("QUANTIZE", [x], [codes], "QuantizeOptions")
    file.operator("ADD", [codes, codes], [sums], "AddOptions")
    y = file.output((1, 4), "float32", None)
    file.operator("DEQUANTIZE", [sums], [y], "DequantizeOptions")
    program = read(file.save(tmp_path / "net.tflite"))
    assert [type(node.op) for node in program.nodes] == [Quantize, QAdd, Dequantize]
    assert [v.name for v in (*program.inputs, *program.outputs)] == ["x0", "y0"]


def test_the_first_of_joined_names_is_used_once(tmp_path: Path) -> None:
    file = added()
    a, b = (file.tensor((1, 4), name="block/Relu;block/BiasAdd;block/Conv2D") for _ in range(2))
    c = file.tensor((1, 4), name="tab\there")
    file.operators[0].outputs = [a]
    file.operator("ADD", [a, a], [b], "AddOptions")
    file.operator("ADD", [b, b], [c], "AddOptions")
    file.operator("ADD", [c, c], file.outputs, "AddOptions")
    names = [node.name for node in read(file.save(tmp_path / "net.tflite")).nodes]
    assert names == ["x0.codes", "block/Relu", "block/Relu.1", "tab?here", "y0.codes", "y0"]


def test_a_signature_names_inputs_and_outputs(tmp_path: Path) -> None:
    file = added()
    file.signature = {file.inputs[0]: "photo", file.outputs[0]: "scores"}
    program = read(file.save(tmp_path / "net.tflite"))
    assert [v.name for v in (*program.inputs, *program.outputs)] == ["photo", "scores"]


def test_a_layer_has_its_name_before_its_constants(tmp_path: Path) -> None:
    file = added()
    constant = file.tensor((1, 4), data=np.ones(4), name="layer/Relu;layer/bias")
    between = file.tensor((1, 4), name="layer/Relu;layer/Conv2D")
    file.operators[0].inputs = [file.inputs[0], constant]
    file.operators[0].outputs = [between]
    file.operator("ADD", [between, between], file.outputs, "AddOptions")
    program = read(file.save(tmp_path / "net.tflite"))
    assert program.nodes[1].name == "layer/Relu"
    assert list(program.constants) == ["layer/Relu.1"]


def test_load_gives_a_network_that_runs_and_saves(tmp_path: Path) -> None:
    net = intact.load(keyword_net().save(tmp_path / "net.tflite"))
    assert net.macs == 2_656_768
    assert not net.stays_float
    x = np.random.default_rng(0).normal(size=(3, 49, 10, 1)).astype(np.float32)
    y = intact.compile(net)(x)
    net.save(tmp_path / "net.intact")
    again = intact.compile(intact.load(tmp_path / "net.intact"), executor="reference")(x)
    np.testing.assert_array_equal(y, again)


def test_an_operator_without_integers_is_named(tmp_path: Path) -> None:
    file = added()
    file.operators[0].code = "LOG_SOFTMAX"
    refused(file, tmp_path, 'LOG_SOFTMAX "y0": intact has no integers for this operator')


def test_a_custom_operator_is_named(tmp_path: Path) -> None:
    file = added()
    file.operators[0].code = "TFLite_Detection_PostProcess"
    refused(file, tmp_path, "TFLite_Detection_PostProcess")


def test_a_float_network_is_refused_with_a_way_out(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4), "float32", None), file.output((1, 4), "float32", None)
    file.operator("ADD", [x, x], [y], "AddOptions")
    refused(file, tmp_path, 'ADD "y0" reads FLOAT32 "x0".*representative dataset')


def test_weights_without_activations_are_refused(tmp_path: Path) -> None:
    """A dynamic-range file: int8 weights, float activations."""
    file = File()
    x, y = file.input((1, 4), "float32", None), file.output((1, 4), "float32", None)
    w = file.tensor((4, 4), data=np.ones((4, 4)))
    file.operator("FULLY_CONNECTED", [x, w, -1], [y], "FullyConnectedOptions")
    refused(file, tmp_path, 'FULLY_CONNECTED "y0" reads FLOAT32')


@pytest.mark.parametrize("shape", [(8, 4), (49, 10), ()])
def test_the_first_axis_of_an_input_must_be_the_batch(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    file = File()
    x, y = file.input(shape), file.output(shape)
    file.operator("ADD", [x, x], [y], "AddOptions")
    refused(file, tmp_path, 'input "x0" has shape.*batch size 1')


def test_a_window_over_the_batch_is_refused(tmp_path: Path) -> None:
    """(1, 4, 4, 2) read as an image (1, 4) of rows would mix samples."""
    file = File()
    x, y = file.input((1, 4, 4, 2)), file.output((4, 4, 2))
    file.operator("MEAN", [x, file.indices([0])], [y], "ReducerOptions")
    refused(file, tmp_path, 'MEAN "y0" reduces the batch')


def test_state_is_refused(tmp_path: Path) -> None:
    file = added()
    file.variables.append(file.inputs[0])
    refused(file, tmp_path, '"x0" keeps its state between calls')


def test_an_output_that_no_input_reaches_is_refused(tmp_path: Path) -> None:
    file = added()
    file.outputs.append(file.tensor((1, 4), data=np.zeros(4), name="constant"))
    refused(file, tmp_path, 'output "constant" does not depend on the input')
