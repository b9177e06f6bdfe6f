import json
from pathlib import Path

import click
import numpy as np
import pytest
import torch

import intact
from intact.cli.main import run
from intact.cli.options import duration
from intact.data.user_code import load_function

pytestmark = pytest.mark.usefixtures("here")

QUANTIZE = ["quantize", "net.py:with_example", "--calibration", "cal.npz", "-o", "net.intact"]


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def test_the_saved_network_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(QUANTIZE) == 0
    assert "W8A8" in capsys.readouterr().out
    outputs = intact.compile(intact.load("net.intact"))(np.zeros((2, 1, 6, 6)))
    assert outputs.shape == (2, 3)


@pytest.mark.parametrize("recipe", ["W8A16", "W4A8", "dynamic-int8", "float16", "net.py:rules"])
def test_recipes_are_names_or_functions(capsys: pytest.CaptureFixture[str], recipe: str) -> None:
    assert run([*QUANTIZE, "--recipe", recipe, "--json"]) == 0
    assert Path("net.intact").is_file()
    made = printed(capsys)
    assert made["output"] == "net.intact"
    assert made["recipe"] == recipe


def test_recipes_without_observers_need_no_samples() -> None:
    arguments = ["quantize", "net.py:with_example", "-o", "net.intact", "--recipe"]
    assert run([*arguments, "W4-g32"]) == 0
    assert run([*arguments, "W8A8"]) == 2


def test_the_data_free_recipe_needs_no_samples(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["quantize", "net.py:with_batchnorm", "-o", "net.intact", "--recipe"]
    assert run([*arguments, "W8A8-data-free"]) == 0
    assert run([*arguments, "W8A8-data-free", "--input-range", "-1", "1"]) == 0
    assert "W8A8-data-free, " in capsys.readouterr().out
    outputs = intact.compile(intact.load("net.intact"))(np.zeros((2, 1, 6, 6)))
    assert outputs.shape == (2, 3)
    assert run([*arguments, "W8", "--input-range", "-1", "1"]) == 2
    assert "W8A8-data-free" in capsys.readouterr().err


def test_the_data_free_recipe_needs_batchnorm(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["quantize", "net.py:with_example", "-o", "net.intact", "--recipe"]
    assert run([*arguments, "W8A8-data-free"]) == 2
    assert "no BatchNorm" in capsys.readouterr().err


def test_a_module_alone_learns_its_input_from_the_samples() -> None:
    assert run(["quantize", "net.py:network", "--calibration", "cal.npz", "-o", "a.intact"]) == 0
    assert run(QUANTIZE) == 0
    assert Path("a.intact").read_bytes() == Path("net.intact").read_bytes()


def test_the_same_input_gives_the_same_file() -> None:
    files = []
    for size in ("7", "64"):
        assert run([*QUANTIZE, "--batch-size", size]) == 0
        files.append(Path("net.intact").read_bytes())
    assert files[0] == files[1]


def test_a_limit_leaves_samples_out() -> None:
    assert run(QUANTIZE) == 0
    whole = Path("net.intact").read_bytes()
    assert run([*QUANTIZE, "--limit", "3"]) == 0
    few = Path("net.intact").read_bytes()
    x = np.load("cal.npz")["x"]
    np.savez("cal.npz", x=x[:3])
    assert run(QUANTIZE) == 0
    assert Path("net.intact").read_bytes() == few != whole


def test_a_budget_that_is_met_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*QUANTIZE, "--validate", "test.npz", "--max-drop", "100%", "--json"]) == 0
    validation = printed(capsys)["validation"]
    assert isinstance(validation, dict)
    assert validation["met"] is True
    assert [attempt["recipe"] for attempt in validation["attempts"]] == ["W8A8"]


def test_a_missed_budget_saves_the_best_and_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    # Without biases a network chooses the same class at any scale, until its input rounds to 0.
    x = np.load("test.npz")["x"].astype(np.float32) * 1e-6
    module, _ = load_function("net.py:without_bias")()  # type: ignore[misc]
    with torch.no_grad():
        np.savez("test.npz", x=x, y=module(torch.tensor(x)).argmax(1).numpy())
    quantize = [*QUANTIZE, "--validate", "test.npz", "--max-drop", "1%", "--json"]
    quantize[1] = "net.py:without_bias"
    assert run(quantize) == 1
    validation = printed(capsys)["validation"]
    assert isinstance(validation, dict)
    assert validation["float"] == 1.0
    assert validation["met"] is False
    assert validation["drop"] == pytest.approx(1 - validation["quantized"])
    tried = {attempt["recipe"]: attempt["top1"] for attempt in validation["attempts"]}
    assert list(tried)[:2] == ["W8A8", "W8A8 + least_squared_error"]
    assert validation["quantized"] == max(tried.values())
    assert Path("net.intact").is_file()


def test_a_constant_activation_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", "net.py:constant", "--calibration", "cal.npz", "-o", "net.intact"]) == 0
    arguments = ["--data", "test.npz", "--against", "net.py:constant", "--json"]
    capsys.readouterr()
    assert run(["evaluate", "net.intact", *arguments]) == 0
    against = printed(capsys)["against"]
    assert isinstance(against, dict)
    assert against["agreement"] == 1.0


def test_whole_numbers_are_noted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(here / "pixels.npz", x=np.full((4, 1, 6, 6), 200, np.uint8))
    network = ["quantize", "net.py:with_example", "--calibration", "pixels.npz"]
    assert run([*network, "-o", "net.intact"]) == 0
    assert "pixels.npz holds whole numbers" in capsys.readouterr().err


def test_the_attempts_of_a_search_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    x = np.load("test.npz")["x"].astype(np.float32) * 1e-6
    module, _ = load_function("net.py:without_bias")()  # type: ignore[misc]
    with torch.no_grad():
        np.savez("test.npz", x=x, y=module(torch.tensor(x)).argmax(1).numpy())
    quantize = [*QUANTIZE, "--validate", "test.npz", "--max-drop", "1%", "--time", "1h"]
    quantize[1] = "net.py:without_bias"
    assert run(quantize) == 1
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert lines[0].split() == ["tried", "top-1", "points", "lost,", "95", "%", "size", "time"]
    assert lines[1].split()[0 if lines[1][0] != ">" else 1] == "W8A8"
    assert sum(line.startswith(">") for line in lines) == 1
    assert "budget of 1.00 % was missed" in printed.err
    assert "points lost, 95 % interval)" in printed.out
    assert not Path("net.intact.journal").exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-1s", "ten", "1d", "inf"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time like"):
        duration(text)


def test_a_time_limit_needs_a_budget(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*QUANTIZE, "--time", "10m"]) == 2
    assert "needs --max-drop" in capsys.readouterr().err
