"""The portable kernels that `ir.sharing` lets write over an input may do so."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SOURCE = Path(__file__).with_name("in_place.c")


def test_kernels_that_write_over_their_input_give_the_same_codes(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: install gcc")
    program = tmp_path / "in_place"
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-fsanitize=undefined,address"]
    include = f"-I{REPOSITORY / 'csrc' / 'portable'}"
    subprocess.run([compiler, *flags, include, str(SOURCE), "-o", str(program)], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
