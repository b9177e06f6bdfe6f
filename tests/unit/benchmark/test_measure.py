"""Contestants are timed in turn; wrong integers are found, and failures are told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intact.benchmark.entrants import Files, contestants, write_files
from intact.benchmark.measure import Measured, measure, random_batch
from intact.benchmark.peers import LiteRt, OnnxRuntime
from intact.benchmark.worker import Contestant, ContestantError, Worker
from intact.ir import float_ops as ops
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Program
from intact.numerics.formats import FP32, Int
from tests.unit.benchmark.crashing import Crashing
from tests.unit.emit.test_onnx_export import classifier
from tests.unit.verification.test_onnxruntime import shifted

pytest.importorskip("onnxruntime")

# Without this, its sums of products saturate on x86 without VNNI.
PRECISE = OnnxRuntime(settings=(("session.x64quantprecision", "1"),))
X, Y = Value("x", (-1, 3), FP32), Value("y", (-1, 3), FP32)


@pytest.fixture(scope="module")
def program() -> Program:
    return classifier()


@pytest.fixture(scope="module")
def files(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Files:
    return write_files(program, tmp_path_factory.mktemp("files"))


def measured(program: Program, *entrants: Contestant) -> tuple[Measured, ...]:
    return measure(program, entrants, random_batch(program, 3), threads=1, rounds=2)


def test_a_contestant_is_timed_and_its_layers_are_right(program: Program, files: Files) -> None:
    entrants = [
        replace(one, peer=PRECISE)
        for one in contestants(files, ["onnxruntime"])
        if one.label != "intact"
    ]
    found = measured(program, *entrants)
    assert [one.name for one in found] == ["onnxruntime", "onnxruntime uint8"]
    for one in found:
        assert 0 < one.entry.minimum <= one.entry.median
        assert len(one.entry.seconds) >= 2
        assert one.agreement is not None
        assert one.agreement.layers is not None
        assert one.agreement.layers.largest <= 1
        assert one.agreement.right


def test_wrong_integers_are_found(program: Program, files: Files) -> None:
    sums = [node.name for node in program.nodes if type(node.op).__name__ == "QAdd"]
    assert files.onnx is not None
    entrant = Contestant("ort", OnnxRuntime(), files.onnx, files.layers)
    (one,) = measured(shifted(program, sums[0], 5), entrant)
    assert one.is_wrong
    assert one.agreement is not None
    assert one.agreement.layers is not None
    assert one.agreement.layers.largest > 1
    assert one.agreement.layers.wrong > 0


def test_a_contestant_that_cannot_run_says_why(program: Program, files: Files) -> None:
    assert files.onnx is not None
    entrant = Contestant("ort", OnnxRuntime(), files.onnx, files.layers)
    broken = replace(entrant, label="broken", model=files.onnx.with_name("missing.onnx"))
    first, second = measured(program, broken, entrant)
    assert first.entry.failure is not None
    assert "missing.onnx" in first.entry.failure
    assert first.agreement is None
    assert not first.is_wrong
    assert second.entry.failure is None


def test_a_process_that_ends_is_no_riddle(tmp_path: Path) -> None:
    entrant = Contestant("crashing", Crashing(), tmp_path)
    with (
        Worker(entrant, (np.zeros(1, np.float32),), 1) as worker,
        pytest.raises(ContestantError, match="ended with exit code 3"),
    ):
        worker.loaded()


def test_networks_without_codes_are_compared_by_their_outputs(tmp_path: Path) -> None:
    graph = Graph((X,), (Y,), (Node(ops.Relu(), (X,), Y),), {})
    files = write_files(graph, tmp_path, ["onnxruntime"], graph=graph)
    assert (files.layers, files.unsigned) == (None, None)
    assert not files.exact
    found = measured(graph, *contestants(files, ["onnxruntime"])[1:])
    assert [one.name for one in found] == ["onnxruntime", "onnxruntime float"]
    for one in found:
        assert one.agreement is not None
        assert (one.agreement.right, one.agreement.layers) == (None, None)
        assert one.agreement.error == 0
        assert one.agreement.top1 == 1


def test_indices_are_those_of_the_smallest_table() -> None:
    indices = Value("indices", (-1, 500), Int(64))
    table = Value("table", (3, 2), FP32)
    nodes = (Node(ops.Embedding(), (indices, table), Value("rows", (-1, 500, 2), FP32)),)
    constants = {"table": np.zeros((3, 2), np.float32)}
    (drawn,) = random_batch(Graph((indices,), (nodes[0].output,), nodes, constants), 2)
    assert drawn.shape == (2, 500)
    assert set(drawn.flat) == {0, 1, 2}


def test_a_fixed_batch_size_is_kept() -> None:
    fixed = replace(X, shape=(2, 3))
    graph = Graph((fixed,), (Y,), (Node(ops.Relu(), (fixed,), Y),), {})
    assert random_batch(graph, 2)[0].shape == (2, 3)
    with pytest.raises(ValueError, match="batches of 2, not of 1"):
        random_batch(graph, 1)


def test_a_tflite_file_reads_images_channels_last(data_dir: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    batch = (np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32),)
    folder = data_dir / "networks" / "tflite"
    outputs = []
    for kind in ("float", "int8"):
        entrant = Contestant("litert", LiteRt(), folder / f"cifar_resnet8_{kind}.tflite")
        with Worker(entrant, batch, 1) as worker:
            outputs.append(worker.loaded().outputs[0])
    assert outputs[0].shape == (2, 10)
    np.testing.assert_array_equal(outputs[0].argmax(1), outputs[1].argmax(1))
