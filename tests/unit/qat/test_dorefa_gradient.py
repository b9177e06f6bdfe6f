"""DoReFa-Net's gradient quantizer against equation 12 of Zhou et al. 2016."""

import pytest
import torch
from torch import Tensor

from intact.qat import DorefaGradient


def _gradient(largest: float = 3.75) -> Tensor:
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    return x / x.abs().max() * largest


def test_it_is_unbiased() -> None:
    g = _gradient()
    draws = DorefaGradient(4)(g.expand(4000, -1))
    assert (draws.mean(0) - g).abs().max() < 0.02  # 3.8 deviations of a mean are 0.25 / 63 each
    step = 2 * 3.75 / 15
    nearest = torch.round((g / 7.5 + 0.5) * 15) / 15 * 7.5 - 3.75
    assert (nearest - g).abs().max() == pytest.approx(step / 2, rel=0.01)


def test_levels_are_those_of_each_samples_largest_number() -> None:
    g = torch.stack([_gradient(3.0), _gradient(0.6)]).view(2, 10, 100)
    y = DorefaGradient(2)(g)
    for found, largest in zip(y, (3.0, 0.6), strict=True):
        wanted = torch.tensor([-1, -1 / 3, 1 / 3, 1]) * largest
        torch.testing.assert_close(found.unique(), wanted)
    assert torch.equal(y[0, g[0].abs() == 3.0], g[0, g[0].abs() == 3.0])


def test_gradients_of_zero_stay_zero() -> None:
    assert DorefaGradient()(torch.zeros(3, 2, 2)).abs().max() == 0
    assert DorefaGradient()(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_an_overflow_stays_one() -> None:
    y = DorefaGradient()(torch.tensor([[1.0, float("inf")], [1.0, 2.0]]))
    assert not y[0].isfinite().any()
    assert y[1].isfinite().all()


def test_the_type_stays() -> None:
    assert DorefaGradient()(_gradient().bfloat16().view(10, 100)).dtype == torch.bfloat16


def test_the_state_dict_resumes_the_noise() -> None:
    g, first, second = _gradient().view(10, 100), DorefaGradient(seed=3), DorefaGradient()
    first(g)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(g), second(g))
    assert not torch.equal(first(g), first(g))


@pytest.mark.parametrize("bits", [0, 17])
def test_other_numbers_of_bits_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="bits"):
        DorefaGradient(bits)
