"""The native engine's tests once more: with sanitizers, and on lesser instruction sets."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from intact.exec.native.library import levels, native

ROOT = Path(__file__).resolve().parents[2]
TESTS = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/exec/native"]
SEARCHED = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def run(*arguments: str, isa: str = "") -> str:
    """Output of a Python process that must succeed."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**plain, "INTACT_MAX_ISA": isa},
        capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
    return done.stdout


def sanitized(*arguments: str) -> str:
    for tool in ("cmake", "ninja"):
        if shutil.which(tool, path=SEARCHED) is None:
            pytest.skip(f"there is no {tool}; make test installs it")
    if importlib.util.find_spec("nanobind") is None:
        pytest.skip("there is no nanobind; make test installs it")
    return run("tools/sanitize.py", *arguments)


def test_no_memory_error_and_no_undefined_behaviour() -> None:
    library = "import ctypes, intact._native as m; ctypes.CDLL(None).__asan_init; print(m.__file__)"
    assert "sanitized" in sanitized("-c", library)
    assert "passed" in sanitized()


def test_mutated_networks_under_sanitizers(tmp_path: Path) -> None:
    arguments = ("--inputs", "400", "--findings", str(tmp_path))
    assert "finding 0" in sanitized("tools/fuzz_native.py", *arguments)


@pytest.mark.parametrize("isa", levels()[:-1], ids=lambda isa: isa.name)
def test_lesser_instruction_sets_give_the_same_integers(isa: native.Isa) -> None:
    assert "passed" in run(*TESTS, isa=isa.name)
