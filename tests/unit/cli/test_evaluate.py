import json
from pathlib import Path

import numpy as np
import pytest
import torch

from intact.cli.main import run
from intact.data.user_code import load_function
from intact.metrics import wilson

pytestmark = pytest.mark.usefixtures("here")


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert run(["evaluate", *arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


def test_top1_is_the_networks(capsys: pytest.CaptureFixture[str]) -> None:
    data = np.load("test.npz")
    module = load_function("net.py:network")()
    assert isinstance(module, torch.nn.Module)
    with torch.no_grad():
        chosen = module(torch.tensor(data["x"]).float()).argmax(1).numpy()
    right = int((chosen == data["y"]).sum())
    for size in ("1", "7", "32"):
        found = evaluated(capsys, "net.py:with_example", "--data", "test.npz", "--batch-size", size)
        assert found["top1"] == right / 30
        assert found["top1_interval"] == pytest.approx(list(wilson(right, 30)))
        assert (found["samples"], found["executor"], found["against"]) == (30, "float", None)


def test_a_network_agrees_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(
        capsys, "net.py:network", "--data", "test.npz", "--against", "net.py:with_example"
    )
    against = found["against"]
    assert isinstance(against, dict)
    assert (against["agreement"], against["difference"], against["sqnr_db"]) == (1.0, 0.0, None)


def test_without_labels_networks_are_only_compared(capsys: pytest.CaptureFixture[str]) -> None:
    run(["quantize", "net.py:network", "--calibration", "cal.npz", "-o", "net.intact"])
    found = evaluated(capsys, "net.intact", "--data", "cal.npz", "--against", "net.py:network")
    assert found["top1"] is None
    against = found["against"]
    assert isinstance(against, dict)
    assert against["difference"] is None
    assert against["sqnr_db"] > 20
    assert run(["evaluate", "net.intact", "--data", "cal.npz", "--against", "net.py:network"]) == 0
    assert "SQNR" in capsys.readouterr().out


def test_a_limit_leaves_samples_out(capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(capsys, "net.py:network", "--data", "test.npz", "--limit", "11")
    assert found["samples"] == 11


def test_folders_must_be_the_networks_classes(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = pytest.importorskip("PIL.Image")
    for name in ("a", "b"):
        (here / "images" / name).mkdir(parents=True)
        image.new("L", (8, 8)).save(here / "images" / name / "0.png")
    arguments = ["evaluate", "net.py:with_example", "--data", "images"]
    assert run(arguments) == 2
    assert "2 folders of classes, but the network has 3 outputs" in capsys.readouterr().err
    (here / "images" / "c").mkdir()
    assert run(arguments) == 0
    assert "2 samples" in capsys.readouterr().out


def test_random_samples_repeat_with_their_seed(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "noise.py").write_text(
        "import numpy as np\n"
        "def noise():\n"
        "    yield np.random.normal(size=(50, 1, 6, 6)), np.random.randint(0, 3, 50)\n"
    )
    found = [
        evaluated(capsys, "net.py:with_example", "--data", "noise.py:noise", "--seed", seed)["top1"]
        for seed in ("1", "1", "2", "3", "4")
    ]
    assert found[0] == found[1]
    assert len(set(found)) > 1
