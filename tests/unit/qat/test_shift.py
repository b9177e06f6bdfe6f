import torch

from intact.qat.shift import ap2, power_above


def test_nearest_powers_of_two_in_logarithm() -> None:
    x = torch.tensor([0.7, 0.75, -3.0, 5.7, 1.0, -0.25])
    assert ap2(x).tolist() == [0.5, 1.0, -4.0, 8.0, 1.0, -0.25]


def test_0_has_no_logarithm_and_stays() -> None:
    assert ap2(torch.tensor([0.0, -0.0])).tolist() == [0.0, 0.0]


def test_every_power_is_its_own_and_the_middle_is_the_root() -> None:
    powers = 2.0 ** torch.arange(-120, 120)
    assert torch.equal(ap2(powers), powers)
    assert torch.equal(ap2(powers * 1.414), powers)
    assert torch.equal(ap2(powers * 1.415), 2 * powers)


def test_it_is_the_rounded_logarithm() -> None:
    x = torch.randn(10_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ap2(x), x.sign() * 2.0 ** x.abs().log2().round())


def test_the_power_above() -> None:
    x = torch.tensor([0.0, 0.5, 0.51, 1.0, 3.0, 4.0])
    assert power_above(x).tolist() == [1.0, 0.5, 1.0, 1.0, 4.0, 4.0]


def test_half_precision_does_not_overflow() -> None:
    assert ap2(torch.tensor(65000.0, dtype=torch.float16)).item() == 65536
