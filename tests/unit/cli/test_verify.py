"""intact verify: exit codes, and what goes where."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import intact
from intact.cli.main import run
from intact.exec.native import NativeEngine
from intact.exec.runner import Runner
from intact.ir.int_ops import Program, QLinear
from intact.numerics.arrays import Array
from intact.verification.executors import NAMED, Native

VERIFY = ["verify", "net.intact", "--data", "test.npz", "--executor", "native"]


@pytest.fixture(autouse=True)
def saved(here: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    quantize = ["quantize", "net.py:with_example", "--calibration", "cal.npz", "-o", "net.intact"]
    assert run([*quantize, "--seed", "5"]) == 0
    capsys.readouterr()
    return here / "net.intact"


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """The native engine adds one to the codes of the layer "3"."""
    right: Callable[[Native, Program], Runner] = Native.load

    def load(executor: Native, program: Program) -> Runner:
        made = right(executor, program)
        assert isinstance(made, NativeEngine)
        return lambda inputs: {
            name: array + np.int8(name.startswith("3")) for name, array in made(inputs).items()
        }

    monkeypatch.setattr(Native, "load", load)


def test_equal_codes_exit_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(VERIFY) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert 'native (none, 1 thread), "3": all 90 equal the reference\'s' in captured.out


@pytest.mark.usefixtures("wrong")
def test_other_codes_exit_1_and_name_the_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*VERIFY, "--json"]) == 1
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["met"] is False
    assert found["outputs"][0]["native_equal"] == 0
    for check in found["checks"]:
        assert (check["promised"], check["met"], check["equal_codes"]) == (True, False, 0)
        assert check["first_layer"] == "3.codes"
    assert "native (none, 1 thread): the codes are not the reference's" in captured.err


def test_without_a_choice_what_was_not_run_is_noted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> dict[str, Array]:
        raise ImportError("no engine: pip install engine")

    monkeypatch.setattr(Native, "load", missing)
    monkeypatch.setattr("intact.api.verify.NAMED", {"native": NAMED["native"]})
    assert run(["verify", "net.intact", "--certificate", "--json"]) == 0
    captured = capsys.readouterr()
    assert "native was not run: no engine: pip install engine" in captured.err
    assert json.loads(captured.out)["skipped"]["native"] == "no engine: pip install engine"
    assert run(VERIFY[:4]) == 2
    assert "no executor can be held against the reference: native: no engine" in (
        capsys.readouterr().err
    )
    assert run(VERIFY) == 2
    assert capsys.readouterr().err == "intact: no engine: pip install engine\n"


def test_a_certificate_is_replayed(capsys: pytest.CaptureFixture[str], saved: Path) -> None:
    assert run(["inspect", "net.intact"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("certificate: W8A8, python ")
    assert "64 samples (SHA-256 " in line
    assert run(["verify", "net.intact", "--certificate", "--executor", "native"]) == 0
    assert capsys.readouterr().out.startswith(
        f"{line}\n4 test vectors, the reference's codes are as"
    )
    network = intact.load(saved)
    nodes = tuple(
        replace(node, op=replace(node.op, input_zero_point=0))
        if isinstance(node.op, QLinear)
        else node
        for node in network.program.nodes
    )
    replace(network, program=replace(network.program, nodes=nodes)).save(saved)
    assert run(["verify", "net.intact", "--certificate", "--executor", "native"]) == 1
    captured = capsys.readouterr()
    assert "the reference's codes are not the certified ones" in captured.out
    assert '"3.codes": the reference\'s codes are not the certified ones' in captured.err


@pytest.mark.usefixtures("wrong")
def test_executors_are_held_against_the_certificate(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "net.intact", "--certificate", "--executor", "native", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["certified"], found["met"]) == (True, False)
    assert found["certificate"]["seed"] == 5


def test_nothing_is_certified_of_float_networks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", "net.py:with_example", "--recipe", "W8", "-o", "net.intact"]) == 0
    capsys.readouterr()
    assert run(["verify", "net.intact", "--certificate"]) == 2
    assert "no test vectors" in capsys.readouterr().err
