import json
import re

import pytest

from intact.cli.main import run

pytestmark = pytest.mark.usefixtures("here")
native = pytest.importorskip("intact._native")
pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def network(here: object) -> None:  # noqa: ARG001
    assert run(["quantize", "net.py:network", "--calibration", "cal.npz", "-o", "net.intact"]) == 0


SATURATES = native.best_isa().name == "avx2"  # ONNX Runtime does, on x86 without VNNI
AGAINST = ["benchmark", "net.intact", "--rounds", "1", "--against", "onnxruntime"]


def test_runtimes_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run([*AGAINST, "--batch", "4", "--float", "net.py:with_example", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    runtimes = {one["name"]: one for one in found["runtimes"]}
    assert list(runtimes) == ["intact", "onnxruntime", "onnxruntime uint8", "onnxruntime float"]
    assert [runtimes[name]["right"] for name in ("intact", "onnxruntime float")] == [True, None]
    for name in ("onnxruntime", "onnxruntime uint8"):
        assert runtimes[name]["right"] or SATURATES
        assert runtimes[name]["right"] == (runtimes[name]["wrong_codes"] == 0)
    assert runtimes["intact"]["output_error"] == 0
    assert min(one["ratio"] for one in runtimes.values()) == 1
    assert (found["batch"], found["threads"]) == (4, 1)
    assert "QConv2d" in {step["op"] for step in found["profile"]}


def test_people_read_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(AGAINST) == 0
    out = capsys.readouterr().out
    for text in ("median ms", "the reference's", "QConv2d"):
        assert text in out
    (row,) = [line for line in out.splitlines() if line.startswith("onnxruntime uint8")]
    assert "right, to rounding" in row or (SATURATES and re.search(r"wrong: .+ of", row))


def test_litert_runs_the_exported_file(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("tflite")
    capsys.readouterr()
    assert run(["benchmark", "net.intact", "--rounds", "1", "--against", "litert", "--json"]) == 0
    runtimes = json.loads(capsys.readouterr().out)["runtimes"]
    assert [one["name"] for one in runtimes] == ["intact", "litert"]
