"""LiteRT and TensorFlow Lite Micro as executors: batches, memory, and what goes wrong."""

import subprocess
import sys

import numpy as np
import pytest

import intact
from intact.errors import VerifyError
from intact.exec import reference
from intact.ir.int_ops import Program
from tests.contract.test_lower import CASES
from tests.unit.emit.tflite.running import draw_inputs, program_of

pytest.importorskip("tflite", reason="pip install 'intact[tflite]'")

from intact.verification import litert, tflm
from intact.verification.tflm import MicroFile


@pytest.fixture
def program() -> Program:
    return program_of(CASES[0], 8, np.random.default_rng(0))


def test_batches_of_any_size_run_sample_by_sample(program: Program) -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'intact[litert]'")
    run = litert.load(program)
    for batch in (1, 2, 5):
        inputs = draw_inputs(program, np.random.default_rng(batch), batch)
        for name, codes in reference.load(program)(inputs).items():
            np.testing.assert_array_equal(run(inputs)[name], codes)


def test_the_arena_holds_the_largest_activations(program: Program) -> None:
    pytest.importorskip("tflite_micro", reason="pip install 'intact[tflm]'")
    arena = tflm.measure_arena(program)
    x, y = (4 * 6 * 5, 8 * 6 * 4)  # elements of input and output
    assert x + y <= arena.activations <= 3 * (x + y)
    assert arena.total == arena.activations + arena.persistent


def test_a_file_that_no_runtime_takes_is_an_error() -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'intact[litert]'")
    with pytest.raises(VerifyError, match="LiteRT refuses the TFLite file"):
        litert.load_file(b"not a network")


def test_a_process_that_ends_is_an_error() -> None:
    pytest.importorskip("tflite_micro", reason="pip install 'intact[tflm]'")
    file = MicroFile(b"not a network", ("x",), ("y",))
    with pytest.raises(VerifyError, match=r"TensorFlow Lite Micro cannot run the network: ."):
        file.run([{"x": np.zeros((1, 2), np.int8)}])


def test_tflite_micro_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflm, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"intact\[tflm\]"):
        MicroFile(b"", ("x",), ("y",)).run([{"x": np.zeros((1, 2), np.int8)}])


def test_tflite_micro_is_imported_by_its_own_process_alone() -> None:
    script = "import sys, intact.verification.tflm; sys.exit('tflite_micro' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def to_file(program: Program) -> None:
    intact.export(program, "/nonexistent/net.tflite")


def from_file(_: Program) -> None:
    intact.load("/nonexistent/net.tflite")


@pytest.mark.parametrize(
    ("missing", "load", "extra"),
    [
        ("ai_edge_litert.interpreter", litert.load, "litert"),
        ("tflite", litert.load, "tflite"),
        ("flatbuffers", tflm.load, "tflite"),
        ("tflite", to_file, "tflite"),
        ("tflite", from_file, "tflite"),
    ],
)
def test_what_is_not_installed_is_named(
    program: Program,
    missing: str,
    load: object,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [n for n in sys.modules if n.startswith(("intact.emit.t", "intact.capture.t"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("intact.emit.tflite", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    assert callable(load)
    with pytest.raises(ImportError, match=rf"intact\[{extra}\]"):
        load(program)
