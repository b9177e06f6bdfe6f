"""The same inputs give the same bytes, whatever process makes them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MAKE = """
import sys
import intact
from examples.digits.data import load_calibration
from examples.digits.network import DigitsNet
from examples.digits.train import WEIGHTS
from safetensors.torch import load_file

network = DigitsNet()
network.load_state_dict(load_file(WEIGHTS))
x = load_calibration()
made = intact.quantize(network.eval(), x.split(32), example_input=x[:1], recipe=sys.argv[1])
made.save("digits.intact")
intact.export(made, "digits.onnx")
"""


def files(folder: Path, recipe: str, hash_seed: str) -> list[bytes]:
    folder.mkdir()
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed}
    subprocess.run([sys.executable, "-c", MAKE, recipe], cwd=folder, env=environment, check=True)
    return [(folder / name).read_bytes() for name in ("digits.intact", "digits.onnx")]


@pytest.mark.parametrize("recipe", ["W8A8", "W4-g32"])
def test_two_processes_write_equal_files(recipe: str, tmp_path: Path) -> None:
    first = files(tmp_path / "first", recipe, "1")
    assert first == files(tmp_path / "second", recipe, "2")
