"""The commands one after the other on the digits network, and their documented keys."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from examples.digits import demo
from examples.digits.data import load_calibration, load_test
from examples.digits.network import DigitsNet
from examples.digits.train import WEIGHTS
from intact.cli.main import COMMANDS, run

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

REPOSITORY = Path(__file__).resolve().parents[2]
ELSEWHERE = {"doctor", "compare"}  # in test_cli_doctor.py and test_cli_compare.py
MAPS = (  # keyed by names
    "stays_float", "skipped", "certificate.ranges", "certificate.versions",
    "findings[].evidence", "top1", "fixed.findings",
)  # fmt: skip
QUANTIZE = ["quantize", "digits.pt2", "--calibration", "calibration.npz", "-o", "digits.intact"]
EXECUTORS = ["--executor", "native", "--executor", "onnxruntime"]
REPORT = ["report", "digits.intact", "--model", "digits.pt2"]
BUDGET = ["--validate", "test.npz", "--max-drop", "1%"]

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    network = DigitsNet()
    network.load_state_dict(load_file(WEIGHTS))
    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(
        network.eval(), (torch.zeros(2, 1, 8, 8),), dynamic_shapes=(batch,)
    )
    torch.export.save(program, folder / "digits.pt2")
    np.savez(folder / "calibration.npz", x=load_calibration().numpy())
    test = load_test()
    np.savez(folder / "test.npz", x=test.images.numpy(), y=test.labels.numpy())
    return folder


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("inside")
def test_the_whole_way(capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        arguments[0]: printed(capsys, arguments)
        for arguments in (
            [*QUANTIZE, *BUDGET],
            ["inspect", "digits.intact"],
            ["evaluate", "digits.intact", "--data", "test.npz", "--against", "digits.pt2"],
            ["export", "digits.intact", "--to", "onnx", "-o", "digits.onnx"],
            ["verify", "digits.intact", "--data", "test.npz", *EXECUTORS],
            ["benchmark", "digits.intact", "--rounds", "1"],
            [*REPORT, "--data", "test.npz", "--benchmark", "-o", "digits.html"],
        )
    }
    assert set(found) == set(COMMANDS) - ELSEWHERE
    for command, document in found.items():
        assert set(keys(document)) == documented(command), command
    check_numbers(found)
    sources = printed(capsys, ["export", "digits.intact", "--to", "c", "-o", "digits_c"])
    file = {"file_bytes"}
    assert set(keys(sources)) == documented("export") - file | documented("export --to c")
    replay = printed(capsys, ["verify", "digits.intact", "--certificate", *EXECUTORS])
    certificate = {key for key in documented("inspect") if key.startswith("certificate")}
    assert set(keys(replay)) == (
        documented("verify") | certificate | documented("verify --certificate")
    )
    assert replay["certificate"] == found["inspect"]["certificate"]
    assert replay["certified"] is True


def printed(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> dict[str, Json]:
    capsys.readouterr()
    assert run([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def keys(document: Json, prefix: str = "") -> Iterator[str]:
    """As the documentation spells them; a key whose value is a table is listed as well."""
    if isinstance(document, list) and document and isinstance(document[0], dict):
        yield from keys(document[0], f"{prefix}[]")
    elif isinstance(document, dict) and prefix not in MAPS:
        if prefix and not prefix.endswith("[]"):
            yield prefix
        for key, value in document.items():
            yield from keys(value, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix


def documented(command: str) -> set[str]:
    text = (REPOSITORY / "doc" / "automation.md").read_text()
    section = text.split(f"## intact {command}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([\w.\[\]]+)` \|", section, re.MULTILINE))


def check_numbers(found: dict[str, dict[str, Json]]) -> None:
    quantize, inspect, evaluate = (found[name] for name in ("quantize", "inspect", "evaluate"))
    for key in ("bytes", "macs", "arena_bytes", "stays_float"):
        assert quantize[key] == inspect[key]
    validation, against = quantize["validation"], evaluate["against"]
    assert isinstance(validation, dict)
    assert isinstance(against, dict)
    assert validation["quantized"] == evaluate["top1"]
    assert validation["float"] == against["top1"]
    assert isinstance(evaluate["top1"], float)
    assert evaluate["top1"] > 0.98
    assert evaluate["samples"] == 450


def test_the_demo_runs(capsys: pytest.CaptureFixture[str]) -> None:
    demo.main()
    out = capsys.readouterr().out
    assert all(recipe in out for recipe in demo.RECIPES)
    assert "largest difference 1" in out


@pytest.mark.usefixtures("inside")
def test_people_read_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*QUANTIZE, *BUDGET]) == 0
    assert run(["inspect", "digits.intact"]) == 0
    assert run(["inspect", "digits.pt2"]) == 0
    assert run(["verify", "digits.intact", "--data", "test.npz", *EXECUTORS]) == 0
    out = capsys.readouterr().out
    for expected in ("W8A8", "top-1 99", "QConv2d", "block1.depthwise", "358,080"):
        assert expected in out


@pytest.mark.usefixtures("inside")
def test_every_executor_gives_nearly_the_same_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(QUANTIZE) == 0
    assert run(["export", "digits.intact", "--to", "onnx", "-o", "digits.onnx"]) == 0
    data = ["--data", "test.npz"]
    shares = [
        printed(capsys, ["evaluate", network, *data, "--executor", executor])["top1"]
        for network, executor in (
            ("digits.pt2", "float"),
            ("digits.intact", "reference"),
            ("digits.intact", "onnxruntime"),
        )
    ]
    assert np.ptp([share for share in shares if isinstance(share, float)]) <= 2 / 450
