"""What only a process of its own shows: imports, a full disk, an interruption."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intact.cli.main import run
from intact.recipes import RECIPES

SOURCE = Path(__file__).resolve().parents[3] / "src"
QUANTIZE = ["quantize", "net.py:with_example", "--calibration", "cal.npz", "-o", "net.intact"]
MAIN = "from intact.cli import main; main()"
# A suite that runs in the background of a shell inherits that interruptions are ignored.
INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
SMALL_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));"

pytestmark = pytest.mark.usefixtures("here")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_saved_network_needs_no_torch_and_no_onnx() -> None:
    assert run(QUANTIZE) == 0
    code = """
import sys
import intact
import numpy
network = intact.load("net.intact")
assert intact.compile(network)(numpy.zeros((2, 1, 6, 6))).shape == (2, 3)
assert "QConv2d" in network.summary()
intact.Int, intact.PerChannel, intact.FormatError, dir(intact)
heavy = {"torch", "onnx", "onnxruntime", "PIL", "scipy", "sklearn"} & set(sys.modules)
assert not heavy, heavy
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_inspecting_a_saved_network_needs_no_torch() -> None:
    assert run(QUANTIZE) == 0
    code = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = None;"
        "from intact.cli import main; main()"
    )
    assert python(code, "inspect", "net.intact").returncode == 0
    assert python(code, "evaluate", "net.intact", "--data", "test.npz").returncode == 0
    missing = python(code, "inspect", "net.py:with_example")
    assert missing.returncode == 2
    assert "torch" in missing.stderr


def test_a_full_disk_leaves_no_file(here: Path) -> None:
    full = python(SMALL_FILES + MAIN, *QUANTIZE)
    assert full.returncode == 2, full.stderr
    assert full.stderr.startswith("intact: ")
    assert full.stderr.count("\n") == 1
    assert "File too large" in full.stderr
    assert sorted(path.name for path in here.iterdir()) == ["cal.npz", "net.py", "test.npz"]


def test_a_full_disk_leaves_the_old_file(here: Path) -> None:
    assert run(QUANTIZE) == 0
    before = (here / "net.intact").read_bytes()
    assert python(SMALL_FILES + MAIN, *QUANTIZE, "--recipe", "W8A16").returncode == 2
    assert (here / "net.intact").read_bytes() == before
    assert python(SMALL_FILES + MAIN, "export", "net.intact", "--to", "onnx", "-o", "net.onnx")
    assert not (here / "net.onnx").exists()


def test_an_interruption_exits_130_and_leaves_no_file(here: Path) -> None:
    (here / "slow.py").write_text(
        "import pathlib, time\n"
        "def slow():\n"
        "    pathlib.Path('started').touch()\n"
        "    time.sleep(60)\n"
        "    yield 0\n"
    )
    arguments = ["quantize", "net.py:with_example", "--calibration", "slow.py:slow"]
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE + MAIN, *arguments, "-o", "net.intact"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(600):
        if (here / "started").exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (130, "", "intact: interrupted")
    assert not (here / "net.intact").exists()


def test_help_is_quick_and_lists_the_commands() -> None:
    done = python(MAIN, "--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("quantize", "evaluate", "inspect", "export"))
    for name in ("quantize", "evaluate", "inspect", "export", "verify"):
        assert "Usage: intact" in python(MAIN, name, "--help").stdout
    assert all(name in python(MAIN, "quantize", "--help").stdout for name in RECIPES)


def test_a_layer_is_one_line_in_a_pipe() -> None:
    assert run([*QUANTIZE, "--recipe", "net.py:rules"]) == 0
    lines = python(MAIN, "inspect", "net.intact").stdout.splitlines()
    document = json.loads(python(MAIN, "inspect", "net.intact", "--json").stdout)
    assert len(lines) == 1 + len(document["layers"]) + 2
