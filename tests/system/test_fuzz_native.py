"""The fuzz target of the native engine: a short run, and its watchdog."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = [sys.executable, "tools/fuzz_native.py"]


def test_mutated_networks_are_refused_or_give_the_references_outputs(tmp_path: Path) -> None:
    done = subprocess.run(
        [*TOOL, "--inputs", "2500", "--findings", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2500 inputs" in done.stdout
    assert "finding 0" in done.stdout
    counts = dict(part.rsplit(" ", 1) for part in done.stdout.split(": ")[-1].split(", "))
    assert int(counts["equal"]) > 300  # the mutations do reach the kernels


@pytest.mark.parametrize(
    ("ending", "kind"), [(signal.SIGSEGV, "crash, exit status -11"), (signal.SIGSTOP, "hang")]
)
def test_dead_worker_is_a_finding_and_another_goes_on(
    ending: signal.Signals, kind: str, tmp_path: Path
) -> None:
    command = [*TOOL, "--inputs", "3000", "--timeout", "2", "--findings", str(tmp_path)]
    tool = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    os.kill(_child(tool.pid), ending)
    output, _ = tool.communicate(timeout=120)
    assert tool.returncode == 1
    assert f"FOUND {kind}" in output
    assert "3000 inputs" in output
    assert "finding 1" in output
    (report,) = tmp_path.glob("*.txt")
    assert report.read_text().startswith(kind)


def _child(pid: int) -> int:
    """A worker that has begun to judge."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = children.read_text().split()
        if found:
            time.sleep(1.5)  # to import everything
            return int(found[0])
        time.sleep(0.05)
    raise AssertionError("the tool has started no worker")
