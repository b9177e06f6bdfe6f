"""A search whose process is killed goes on when the same command is given again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

USER = '''
"""A network, samples that count how often they are read, and a recipe that is too coarse."""
import os
import signal
from pathlib import Path

import torch
from torch import nn

import intact

SAMPLES = torch.randn(128, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network():
    torch.manual_seed(1)
    layers = nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(72, 4)).eval(), SAMPLES[:1]


def recipe():
    base = dict(weight=intact.Nearest(intact.Int(8)))
    narrow = intact.PtqRule(match="1", activation=intact.MinMax(intact.Int(2)), **base)
    return [narrow, intact.PtqRule(activation=intact.MinMax(intact.Int(8)), **base)]


def labelled():
    with open("reads.log", "a") as log:
        log.write(f"{os.getpid()}\\n")
    if len(Path("reads.log").read_text().split()) == int(os.environ.get("KILL_AT", "0")):
        yield SAMPLES[:8], labels(SAMPLES[:8])
        os.kill(os.getpid(), signal.SIGKILL)
    yield SAMPLES, labels(SAMPLES)


def labels(x):
    with torch.no_grad():
        return network()[0](x).argmax(1)


def calibration():
    return [SAMPLES[:32]]
'''
COMMAND = [
    "quantize", "user.py:network", "--calibration", "user.py:calibration",
    "--recipe", "user.py:recipe", "--validate", "user.py:labelled", "--max-drop", "1%",
    "--json", "-o", "net.intact",
]  # fmt: skip


def intact(folder: Path, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from intact.cli import main; main()", *COMMAND],
        cwd=folder,
        env={**os.environ, "KILL_AT": str(kill_at), "PYTHONPATH": _sources()},
        capture_output=True,
        text=True,
        check=False,
    )


def _sources() -> str:
    import intact as package

    return str(Path(package.__file__).parent.parent)


def reads(folder: Path) -> int:
    return len((folder / "reads.log").read_text().split())


def test_nothing_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
        (folder / "user.py").write_text(USER)
    done = intact(whole)
    assert done.returncode == 0, done.stderr
    attempts = json.loads(done.stdout)["validation"]["attempts"]
    hashed, judged_float = 1, 1
    assert reads(whole) == hashed + judged_float + len(attempts)
    assert len(attempts) > 3
    killed = intact(cut, kill_at=hashed + judged_float + 3)  # within the third attempt
    assert killed.returncode == -signal.SIGKILL
    assert (cut / "net.intact.journal").exists()
    assert (cut / "net.intact").exists()
    before = reads(cut)
    again = intact(cut)
    assert again.returncode == 0, again.stderr
    assert "goes on" in again.stderr
    assert reads(cut) - before == hashed + len(attempts) - 2
    assert (cut / "net.intact").read_bytes() == (whole / "net.intact").read_bytes()
    assert not (cut / "net.intact.journal").exists()
    assert _timeless(again.stdout) == _timeless(done.stdout)


def _timeless(printed: str) -> dict[str, object]:
    document = json.loads(printed)
    assert isinstance(document, dict)
    for attempt in document["validation"]["attempts"]:
        del attempt["seconds"]
    return document
