"""Training in two processes: torchrun, DistributedDataParallel, gloo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="this torch has no gloo")
def test_quantizers_and_weights_stay_in_step(tmp_path: Path) -> None:
    script, result = Path(__file__).with_name("two_processes.py"), tmp_path / "state.pt"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--nproc-per-node=2", str(script), str(result)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    state = torch.load(result, weights_only=True)
    assert int(state["network.1.quantizer.batches"]) == 5
    assert bool(state["network.input.quantizer.seen"])
