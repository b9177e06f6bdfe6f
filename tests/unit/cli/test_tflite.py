"""Every command that takes a NET takes a .tflite file."""

import json
from pathlib import Path

import numpy as np
import pytest

from intact.cli.main import run
from tests.unit.capture.tflite.keyword_net import keyword_net


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tflite")
    keyword_net().save(folder / "net.tflite")
    x = np.random.default_rng(0).normal(0, 40, (8, 49, 10, 1)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, y=np.arange(8))
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert run([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


@pytest.mark.usefixtures("here")
def test_inspect_shows_its_layers(capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "inspect", "net.tflite")
    assert found["quantized"]
    assert found["macs"] == 2_656_768
    assert found["inputs"] == [{"name": "x0", "shape": [-1, 49, 10, 1], "format": "fp32"}]


@pytest.mark.usefixtures("here")
def test_evaluate_runs_it(capsys: pytest.CaptureFixture[str]) -> None:
    codes = [
        printed(capsys, "evaluate", "net.tflite", "--data", "data.npz", "--executor", executor)
        for executor in ("native", "reference")
    ]
    assert codes[0]["top1"] == codes[1]["top1"]


@pytest.mark.usefixtures("here")
def test_verify_also_runs_the_file_itself(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'intact[litert]'")
    arguments = ("--data", "data.npz", "--executor", "native")
    found = printed(capsys, "verify", "net.tflite", *arguments)
    assert found["met"]
    checks = found["checks"]
    assert isinstance(checks, list)
    assert (checks[-1]["executor"], checks[-1]["setting"]) == ("litert", "net.tflite itself")
    assert checks[-1]["equal_codes"] == checks[-1]["codes"] == 8 * 12


@pytest.mark.usefixtures("here")
def test_verify_says_where_micro_rounds_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "net.tflite", "--data", "data.npz", "--executor", "tflm"]) == 2
    assert 'QLinear "t33" rounds its sums once' in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_it_is_exported_to_c(capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "export", "net.tflite", "--to", "c", "-o", "net_c")
    assert (Path("net_c") / "model.c").is_file()


@pytest.mark.usefixtures("here")
def test_it_is_not_quantized_again(capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--calibration", "data.npz", "-o", "net.intact")
    assert run(["quantize", "net.tflite", *data]) == 2
    assert (
        "net.tflite: a .tflite file is read with the integers that it has"
        in capsys.readouterr().err
    )
