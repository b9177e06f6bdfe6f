"""`intact compare` on the digits network, and its documented keys."""

import json
from pathlib import Path

import pytest

from intact.cli.main import run
from tests.system.test_cli import documented, keys

EXAMPLE = str(Path(__file__).resolve().parents[2] / "examples" / "digits" / "doctor.py")
MODEL, PICTURES = f"{EXAMPLE}:network", f"{EXAMPLE}:pictures"


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("compare")
    made = []
    for name, recipe in (("coarse", f"{EXAMPLE}:recipe"), ("fine", "W8A8")):
        made.append(str(folder / f"{name}.intact"))
        data = ["--calibration", f"{EXAMPLE}:calibration"]
        assert run(["quantize", MODEL, "--recipe", recipe, *data, "-o", made[-1]]) == 0
    return made[0], made[1]


def test_what_changed_is_documented(
    nets: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["compare", *nets, "--data", PICTURES, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(keys(found)) == documented("compare")
    assert (found["removed"], found["added"]) == ([], [])
    changed = {change["name"]: change for change in found["changed"]}
    assert changed["block2.relu6"]["weight_codes"] > 0.5
    assert changed["block2.relu6"]["weight_scale"] < 0.1
    assert found["outputs"]["samples"] == 450
    assert found["outputs"]["top1"][0] < found["outputs"]["top1"][1] - 0.1
    assert found["outputs"]["first_difference"]["layer"] == "relu6"


def test_a_network_equals_itself(nets: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", nets[0], nets[0], "--data", PICTURES]) == 0
    out = capsys.readouterr().out
    assert "0 changed" in out
    assert "same class: 100.00 %" in out
    assert "codes differ" not in out


def test_a_float_network_beside_its_integers(
    nets: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", MODEL, nets[1], "--data", PICTURES]) == 0
    out = capsys.readouterr().out
    for expected in ("Conv to QConv2d", "weight fp32 to int8", "top-1: 99", "only in"):
        assert expected in out
