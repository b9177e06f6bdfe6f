"""intact quantize --calibration distilled."""

from pathlib import Path

import pytest

import intact
from intact.cli.main import run

pytestmark = pytest.mark.usefixtures("here")

NETWORK = """
import torch
from torch import nn

def normed():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    return nn.Sequential(layers, nn.Linear(64, 3)).eval(), torch.zeros(1, 1, 6, 6)
"""


def quantize(*arguments: str) -> int:
    Path("normed.py").write_text(NETWORK)
    return run(["quantize", "normed.py:normed", "-o", "net.intact", *arguments])


def test_no_sample_is_needed() -> None:
    assert quantize("--calibration", "distilled:5", "--seed", "3") == 0
    origin = intact.load("net.intact").certificate.origin  # type: ignore[union-attr]
    assert origin.calibration is not None
    assert (origin.calibration.samples, origin.seed) == (5, 3)
    first = Path("net.intact").read_bytes()
    assert quantize("--calibration", "distilled:5", "--seed", "3") == 0
    assert Path("net.intact").read_bytes() == first


@pytest.mark.parametrize("text", ["distilled:", "distilled:0", "distilled:many"])
def test_a_number_of_samples_is_one(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert quantize("--calibration", text) == 2
    assert "write distilled or distilled:32" in capsys.readouterr().err


def test_samples_that_nobody_reads_are_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert quantize("--calibration", "distilled", "--recipe", "W8A8-data-free") == 2
    assert "leave out --calibration distilled" in capsys.readouterr().err


@pytest.mark.parametrize("limits", [("1", "0"), ("nan", "1"), ("0", "inf")])
@pytest.mark.parametrize(
    "asked", [("--recipe", "W8A8-data-free"), ("--calibration", "distilled:2")]
)
def test_a_range_is_two_numbers(
    asked: tuple[str, str], limits: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert quantize(*asked, "--input-range", *limits) == 2
    assert "low and high" in capsys.readouterr().err


def test_a_network_without_batch_norm_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["net.py:with_example", "--calibration", "distilled", "-o", "net.intact"]
    assert run(["quantize", *arguments]) == 2
    assert "no BatchNorm" in capsys.readouterr().err
