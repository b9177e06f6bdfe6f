"""`intact doctor` on the digits network with a dead channel, and its documented keys."""

import json
from pathlib import Path

import pytest

from intact.cli.main import run
from tests.system.test_cli import documented, keys

EXAMPLE = str(Path(__file__).resolve().parents[2] / "examples" / "digits" / "doctor.py")
MODEL, PICTURES = f"{EXAMPLE}:network", f"{EXAMPLE}:pictures"
RECIPE = ["--recipe", f"{EXAMPLE}:recipe"]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("doctor") / "dead.intact")
    assert (
        run(["quantize", MODEL, *RECIPE, "--calibration", f"{EXAMPLE}:calibration", "-o", path])
        == 0
    )
    return path


def test_it_names_the_layer_and_fixes_it(
    net: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "cured.intact")
    capsys.readouterr()
    arguments = ["doctor", MODEL, net, "--data", PICTURES, "--json", *RECIPE]
    assert run([*arguments, "--fix", "-o", output]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(keys(document)) == documented("doctor")
    (finding,) = document["findings"]
    assert (finding["layer"], finding["cause"]) == ("block2.depthwise", "dead_channel")
    assert document["top1"]["quantized"] < document["top1"]["float"] - 0.1
    assert document["top1"]["cured"] > document["top1"]["float"] - 0.01
    assert document["fixed"]["healthy"]
    assert run([*arguments[:2], output, *arguments[3:]]) == 0
    healthy = json.loads(capsys.readouterr().out)
    assert (healthy["findings"], healthy["fixed"]) == ([], None)


def test_people_read_the_cause_and_the_cure(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", MODEL, net, "--data", PICTURES, "--layers", *RECIPE]) == 1
    out = capsys.readouterr().out
    for expected in ("dead channel", "variance 0", "become the constants", "own", "█"):
        assert expected in out


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["--fix"], "need each other"),
        (["-o", "x.intact"], "need each other"),
        (["--recipe", "W9A9"], "there is no recipe"),
    ],
)
def test_wrong_usage_is_told(
    net: str, extra: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", MODEL, net, "--data", PICTURES, *extra]) == 2
    assert says in capsys.readouterr().err


def test_another_model_is_refused(net: str, capsys: pytest.CaptureFixture[str]) -> None:
    other = str(Path(__file__).resolve()) + ":other"
    assert run(["doctor", other, net, "--data", PICTURES]) == 2
    assert "not made from this model" in capsys.readouterr().err


def other() -> object:
    import torch

    class Other(torch.nn.Module):
        def forward(self, y: torch.Tensor) -> torch.Tensor:
            return torch.relu(y).sigmoid()

    return Other(), torch.zeros(1, 1, 8, 8)
