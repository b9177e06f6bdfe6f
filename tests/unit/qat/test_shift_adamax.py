"""Shift-based AdaMax against algorithm 4 of Courbariaux, Hubara et al. 2016, by hand."""

import pytest
import torch
from torch import Tensor

from intact.qat import ShiftAdaMax


def _stepped(optimizer: ShiftAdaMax, x: Tensor, gradient: list[float]) -> list[float]:
    x.grad = torch.tensor(gradient)
    optimizer.step()
    return x.tolist()


def test_two_steps_by_hand() -> None:
    x = torch.zeros(3, requires_grad=True)
    optimizer = ShiftAdaMax([x], lr=0.25, betas=(0.5, 0.75))
    # m = g / 2, v = |g|; AP2(1/4 / 1/2) = 1/2; AP2(1/v) = 1/4 (of 1/3, log2 -1.58), 2, 0 gradient
    assert _stepped(optimizer, x, [3.0, -0.5, 0.0]) == [-0.5 * 1.5 * 0.25, 0.5 * 0.25 * 2, 0.0]
    # m = 1.25, 0.375, v = max(2.25, 1) and max(0.375, 1); AP2(1/4 / 3/4 = 0.33) = 1/4;
    # AP2(1/v) = 1/2 (of 0.44, log2 -1.17) and 1
    first = -0.1875 - 0.25 * 1.25 * 0.5
    assert _stepped(optimizer, x, [1.0, 1.0, 0.0]) == [first, 0.25 - 0.25 * 0.375, 0.0]


def test_defaults_are_the_papers() -> None:
    optimizer = ShiftAdaMax([torch.zeros(1, requires_grad=True)])
    assert optimizer.defaults["lr"] == 2**-10
    assert optimizer.defaults["betas"] == (0.875, 1 - 2**-10)


def test_it_finds_a_minimum() -> None:
    x = torch.full((4,), 3.0, requires_grad=True)
    optimizer = ShiftAdaMax([x], lr=2**-4)
    for _ in range(200):
        optimizer.zero_grad()
        loss = (x - torch.tensor([1.0, -1.0, 0.5, 2.0])).square().sum()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_its_state_resumes() -> None:
    runs = []
    for resumed in (False, True):
        x = torch.ones(2, requires_grad=True)
        optimizer = ShiftAdaMax([x])
        _stepped(optimizer, x, [0.3, -2.0])
        if resumed:
            other = ShiftAdaMax([x])
            other.load_state_dict(optimizer.state_dict())
            optimizer = other
        runs.append(_stepped(optimizer, x, [-0.1, 0.7]))
    assert runs[0] == runs[1]


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="betas"):
        ShiftAdaMax([torch.zeros(1, requires_grad=True)], betas=(1.0, 0.5))
