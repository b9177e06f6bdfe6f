"""Noise: independent draws, and the same ones again after a checkpoint."""

import copy
import io

import torch
from torch import nn

from intact.qat.noise import Noise, separate


def test_draws_are_uniform_and_differ() -> None:
    noise = Noise(seed=3)
    draws = torch.stack([noise(torch.zeros(5000)) for _ in range(4)])
    assert 0 <= draws.min() < 0.001 < 0.999 < draws.max() < 1
    torch.testing.assert_close(draws.mean(1), torch.full((4,), 0.5), rtol=0, atol=0.02)
    correlation = torch.corrcoef(draws)
    assert (correlation - torch.eye(4)).abs().max() < 0.06


def test_a_seed_repeats_its_numbers_whatever_the_global_generator_does() -> None:
    like = torch.zeros(3, 4)
    torch.manual_seed(0)
    first = Noise(seed=5)(like)
    torch.manual_seed(1)
    assert torch.equal(Noise(seed=5)(like), first)
    assert not torch.equal(Noise(seed=6)(like), first)


def test_the_state_dict_resumes() -> None:
    like, noise = torch.zeros(7), nn.Sequential(Noise(seed=9))
    separate(noise)
    noise(like)
    file = io.BytesIO()
    torch.save(noise.state_dict(), file)
    wanted = [noise(like) for _ in range(2)]
    other = nn.Sequential(Noise())
    other.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    assert all(torch.equal(other(like), x) for x in wanted)


def test_a_copy_goes_on_by_itself() -> None:
    noise, like = Noise(), torch.zeros(7)
    other = copy.deepcopy(noise)
    assert torch.equal(noise(like), other(like))


def test_separate_streams_differ_though_seeds_are_equal() -> None:
    network = nn.ModuleList([Noise(seed=1), Noise(seed=1)])
    separate(network)
    first, second = (noise(torch.zeros(9)) for noise in network)
    assert not torch.equal(first, second)


def test_half_precision_gets_single_precision_numbers() -> None:
    assert Noise()(torch.zeros(2, dtype=torch.bfloat16)).dtype == torch.float32
    assert Noise()(torch.zeros(2, dtype=torch.float64)).dtype == torch.float64


def test_compiled_code_draws_anew() -> None:
    noise = Noise()
    add = torch.compile(lambda x: x + noise(x), backend="eager")
    like = torch.zeros(5)
    assert not torch.equal(add(like), add(like))
