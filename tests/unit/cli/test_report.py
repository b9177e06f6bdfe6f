import json
import re
from pathlib import Path

import pytest

from intact.cli.main import run

QUANTIZE = ["quantize", "net.py:with_example", "--calibration", "cal.npz"]
REPORT = ["report", "net.intact", "-o", "page.html"]
FULL = [*REPORT, "--model", "net.py:with_example", "--data", "test.npz"]


@pytest.fixture(autouse=True)
def network(here: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run([*QUANTIZE, "-o", "net.intact"]) == 0
    capsys.readouterr()
    return here


def test_a_page_and_its_document(network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*FULL, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "net"
    assert found["accuracy"]["samples"] == found["outputs"]["samples"] == 30
    assert found["accuracy"]["difference"] is not None
    assert any(layer["sqnr_db"] for layer in found["layers"])
    page = (network / "page.html").read_text()
    assert '"schema":"intact.report"' in page
    assert run([*FULL, "--json", "--batch-size", "7"]) == 0
    assert (network / "page.html").read_text() == page


def test_people_read_the_verdict_and_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(REPORT) == 0
    out, err = capsys.readouterr()
    assert "page.html: Accuracy has not been measured" in out
    assert "--model MODEL" in err
    assert run(FULL) == 0
    out, err = capsys.readouterr()
    assert "page.html: top-1" in out
    assert re.search(r"^0 \+ 1 +█.* dB", out, re.MULTILINE)  # noise as bars
    assert "--model MODEL" not in err


def test_several_networks_give_the_curve(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*QUANTIZE, "--recipe", "W4A8", "-o", "small.intact"]) == 0
    capsys.readouterr()
    assert run([*FULL, "small.intact", "--json"]) == 0
    candidates = json.loads(capsys.readouterr().out)["candidates"]
    assert [(c["name"], c["shown"]) for c in candidates] == [("net", True), ("small", False)]
    assert candidates[0]["stored_bytes"] > candidates[1]["stored_bytes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "net.intact", "-o", "page.pdf"], "must be named *.html"),
        (["report", "net.py:network", "-o", "page.html"], "is no quantized network"),
        (["report", "net.intact", "net.intact", "-o", "page.html"], "named twice"),
        ([*REPORT, "--data", "absent.npz"], "absent.npz"),
        ([*REPORT, "--model", "net.intact"], "is quantized already"),
        (["report", "-o", "page.html"], "Missing argument"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    network: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert not out
    assert len(err.splitlines()) == 1
    assert not (network / "page.html").exists()
