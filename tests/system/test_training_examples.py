"""The examples of training in others' loops run; each is skipped where its library is absent."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("library", ["lightning", "transformers"])
def test_training_example_runs(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"needs {library}: pip install {library}")
    done = subprocess.run(
        [sys.executable, f"examples/train_{library}.py", "--epochs", "1"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = [float(number) for number in re.findall(r":\s+([\d.]+)%", done.stdout)]
    assert len(found) == 3
    assert min(found) > 50  # of four classes
