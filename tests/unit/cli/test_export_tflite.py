import json
from pathlib import Path

import pytest

from intact.cli.main import run

pytestmark = pytest.mark.usefixtures("here")
pytest.importorskip("tflite", reason="pip install 'intact[tflite]'")

EXPORT = ["export", "net.intact", "--to", "tflite"]


@pytest.fixture(autouse=True)
def network(here: object) -> None:  # noqa: ARG001
    assert run(["quantize", "net.py:network", "--calibration", "cal.npz", "-o", "net.intact"]) == 0


def test_a_network_becomes_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run([*EXPORT, "-o", "net.tflite", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["output"]) == ("tflite", "net.tflite")
    assert found["file_bytes"] == (here / "net.tflite").stat().st_size


def test_the_file_is_evaluated_in_litert(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'intact[litert]'")
    tops = []
    for executor in ("reference", "litert"):
        arguments = ["evaluate", "net.intact", "--data", "test.npz", "--executor", executor]
        capsys.readouterr()
        assert run([*arguments, "--json"]) == 0
        tops.append(json.loads(capsys.readouterr().out)["top1"])
    assert tops[0] == tops[1]


@pytest.mark.parametrize("output", ["net.onnx", "absent/net.tflite"])
def test_nothing_is_written_elsewhere(
    here: Path, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(here.rglob("*"))
    assert run([*EXPORT, "-o", output]) == 2
    assert output.split("/")[0] in capsys.readouterr().err
    assert sorted(here.rglob("*")) == before


def test_a_layer_that_tflite_lacks_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "normed.py").write_text(
        "import torch\nfrom torch import nn\n\n\ndef network():\n"
        "    return nn.Sequential(nn.Flatten(), nn.LayerNorm(36)), torch.zeros(1, 1, 6, 6)\n"
    )
    arguments = ["quantize", "normed.py:network", "--calibration", "cal.npz", "-o", "normed.intact"]
    assert run(arguments) == 0
    assert run(["export", "normed.intact", "--to", "tflite", "-o", "normed.tflite"]) == 2
    error = capsys.readouterr().err
    assert 'QLayerNorm "1' in error
    assert ".onnx" in error
    assert not (here / "normed.tflite").exists()
