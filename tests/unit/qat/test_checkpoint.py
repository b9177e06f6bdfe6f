"""Interrupted training gives the weights of one that never stopped, to the last bit."""

import random
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import intact
from intact.errors import FormatError
from intact.numerics.formats import Int
from intact.qat import (
    BinaryWeight,
    LsqActivation,
    LsqWeight,
    MinMaxWeight,
    MovingAverageActivation,
    Oscillation,
    QatRule,
    SlbWeight,
    load_checkpoint,
    save_checkpoint,
    set_epoch,
)
from intact.qat.checkpoint import Part

RULES = [
    QatRule(
        match="0",
        weight=partial(BinaryWeight, stochastic=True),
        activation=partial(MovingAverageActivation, delay=11),
    ),
    QatRule(match="2", activation=partial(LsqActivation, format=Int(4))),
    QatRule(match="4", weight=partial(MinMaxWeight, stochastic=True, seed=3)),
    QatRule(match="6", weight=SlbWeight),
    QatRule(weight=LsqWeight, activation=LsqActivation),
]


class Training:
    """All that a training has, with every kind of randomness."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        layers = (
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3),
        )  # fmt: skip
        self.network = intact.prepare(
            nn.Sequential(*layers), RULES, example_input=torch.zeros(2, 4)
        )
        self.optimizer = torch.optim.Adam(self.network.parameters(), 0.01)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, 4)
        self.shuffle = torch.Generator().manual_seed(seed)
        self.draw = np.random.default_rng(seed)
        self.own = random.Random(seed)
        self.oscillation = Oscillation(self.network)
        self.parts: dict[str, Part] = {
            "network": self.network, "optimizer": self.optimizer, "scheduler": self.scheduler,
            "shuffle": self.shuffle, "draw": self.draw, "own": self.own,
            "oscillation": self.oscillation,
        }  # fmt: skip

    def epoch(self, number: int) -> None:
        x, labels = _data()
        self.network.train()
        set_epoch(self.network, number)
        for part in torch.randperm(len(x), generator=self.shuffle).split(16):
            scale = 1 + 0.1 * (random.random() + np.random.rand() + self.own.random())  # noqa: NPY002
            batch = x[part] * scale + 0.01 * float(self.draw.normal())
            loss = nn.functional.cross_entropy(self.network(batch), labels[part])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.oscillation.update()
        self.scheduler.step()


def _data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(64, 4, generator=generator)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


def test_resumed_training_gives_the_same_weights(tmp_path: Path) -> None:
    whole = Training()
    for epoch in range(4):
        whole.epoch(epoch)
    drawn = [random.random(), np.random.rand()]  # noqa: NPY002
    first = Training()
    for epoch in range(2):
        first.epoch(epoch)
    save_checkpoint(tmp_path / "training.pt", first.parts, epochs=2)
    second = Training(seed=9)
    for epoch in range(load_checkpoint(tmp_path / "training.pt", second.parts), 4):
        second.epoch(epoch)
    found, wanted = second.network.state_dict(), whole.network.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert second.optimizer.param_groups[0]["lr"] == whole.optimizer.param_groups[0]["lr"]
    assert [random.random(), np.random.rand()] == drawn  # noqa: NPY002


def test_other_parts_are_refused(tmp_path: Path) -> None:
    network = nn.Linear(2, 2)
    save_checkpoint(tmp_path / "c.pt", {"network": network}, epochs=0)
    with pytest.raises(FormatError, match=r"holds the parts network, but asked for are model"):
        load_checkpoint(tmp_path / "c.pt", {"model": network})
    with pytest.raises(FormatError, match=r'"network" of .* does not fit(?s:.*)size mismatch'):
        load_checkpoint(tmp_path / "c.pt", {"network": nn.Linear(2, 3)})


def test_files_that_are_no_checkpoint_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(b"something else")
    with pytest.raises(FormatError, match="no checkpoint"):
        load_checkpoint(path, {})
    torch.save({"weight": torch.ones(1)}, path)
    with pytest.raises(FormatError, match="no checkpoint"):
        load_checkpoint(path, {})
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.pt", {})


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save({"version": 1, "epochs": 0, "parts": {}, "random": print}, path)
    with pytest.raises(FormatError, match="no checkpoint"):
        load_checkpoint(path, {})


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    class Odd:
        def state_dict(self) -> dict[str, object]:
            return {"rates": [1.0, np.float64(2)]}

        def load_state_dict(self, state: dict[str, object]) -> None:
            raise NotImplementedError

    path = tmp_path / "c.pt"
    save_checkpoint(path, {}, epochs=3)
    with pytest.raises(ValueError, match=r"parts\.odd\.rates\[1\] is a numpy\.float64"):
        save_checkpoint(path, {"odd": Odd()}, epochs=4)
    assert load_checkpoint(path, {}) == 3
