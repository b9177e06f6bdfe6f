"""A tiny classifier of 1x6x6 pictures, and samples for it."""

from pathlib import Path

import numpy as np
import pytest

NETWORK = """
import torch
from torch import nn
from intact import Int, MinMax, Nearest, PtqRule


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)).eval()


def with_example():
    return network(), torch.zeros(1, 1, 6, 6)


def with_batchnorm():
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    return nn.Sequential(*layers).eval(), torch.zeros(1, 1, 6, 6)


def without_bias():
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3, bias=False)
    return nn.Sequential(*layers).eval(), torch.zeros(1, 1, 6, 6)


def constant():
    module = network()
    with torch.no_grad():
        module[0].weight.zero_()
        module[0].bias.fill_(-1.0)
    return module, torch.zeros(1, 1, 6, 6)


class Unsupported(nn.Module):
    def forward(self, x):
        return torch.sort(x.flatten(1))[0]


def unsupported():
    return Unsupported(), torch.zeros(1, 1, 6, 6)


def indices():
    layers = nn.Embedding(20, 4), nn.Flatten(), nn.Linear(24, 3)
    return nn.Sequential(*layers).eval(), torch.zeros(1, 6, dtype=torch.long)


def leaves():
    raise SystemExit("bye")


def no_network():
    return 3


def rules():
    return [PtqRule(weight=Nearest(Int(8)), activation=MinMax(Int(8)))]


def misspelled_rule():
    return [PtqRule(match="convolution", weight=Nearest(Int(8))), *rules()]


def no_rules():
    return []
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with net.py, cal.npz (64 samples) and test.npz (30, with labels)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NETWORK)
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "cal.npz", x=generator.normal(size=(64, 1, 6, 6)))
    labels = generator.integers(0, 3, 30)
    np.savez(tmp_path / "test.npz", x=generator.normal(size=(30, 1, 6, 6)), y=labels)
    return tmp_path
