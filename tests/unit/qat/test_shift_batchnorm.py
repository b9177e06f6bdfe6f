"""Shift-based BatchNorm against algorithm 3 of Courbariaux, Hubara et al. 2016, by hand."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.ir import float_ops as ops
from intact.numerics.formats import Int
from intact.numerics.qtensor import ScaledTensor
from intact.qat import (
    BatchNormTraining,
    BinaryWeight,
    Fold,
    MinMaxWeight,
    MovingAverageActivation,
    QatRecipe,
    QatRule,
    TrainableNetwork,
    finish,
    prepare,
)
from intact.qat.batchnorm import Norm

EPS = 1e-4


def _norm(gamma: float, beta: float) -> Norm:
    op = ops.BatchNorm(eps=EPS, momentum=0.1)
    tensors = (torch.tensor([number]) for number in (gamma, beta, 0.0, 1.0))
    gain, bias, mean, variance = tensors
    return Norm(op, gain.requires_grad_(), bias.requires_grad_(), mean, variance, shift=True)


def test_forward_by_hand() -> None:
    # mean 1; c = -3, 1, 2, 0; AP2(c) = -4, 1, 2, 0; variance = (12 + 1 + 4) / 4 = 4.25
    x, norm = torch.tensor([[-2.0], [2.0], [3.0], [1.0]]), _norm(gamma=0.7, beta=0.5)
    mean, variance = norm.moments(x)
    assert (mean.item(), variance.item()) == (1, 4.25)
    # AP2(1 / sqrt(4.2501) = 0.485) = 1/2, AP2(0.7) = 1/2
    assert norm.apply(x, mean, variance).ravel().tolist() == [-0.25, 0.75, 1.0, 0.5]
    assert norm.mean.item() == pytest.approx(0.1)
    assert norm.variance.item() == pytest.approx(0.9 + 0.1 * 4.25 * 4 / 3)


def test_gradients_pass_through_the_powers() -> None:
    x = torch.tensor([[-2.0], [2.0], [3.0], [1.0]], requires_grad=True)
    norm, upstream = _norm(gamma=0.7, beta=0.5), torch.tensor([[1.0], [2.0], [0.0], [0.0]])
    norm.apply(x, *norm.moments(x)).backward(upstream)
    assert norm.beta.grad is not None
    assert norm.beta.grad.item() == 3
    # dgamma = AP2(1 / sigma) sum of dy c = 1/2 (-3 + 2)
    assert norm.gamma.grad is not None
    assert norm.gamma.grad.item() == -0.5
    # dc = dy / 4, and through the variance: sum of dy c = -1, times AP2(gamma) = 1/2,
    # times -1/2 (4.2501)**(-3/2), times (AP2(c) + c) / 4; less its mean over the batch
    slope = -0.5 * (-0.5 * (4.25 + EPS) ** -1.5) / 4
    dc = np.array([0.25, 0.5, 0, 0]) + slope * np.array([-7, 2, 4, 0])
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.ravel().numpy(), dc - dc.mean(), rtol=1e-4)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm1 = nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6)
        self.pool, self.norm2, self.fc = nn.MaxPool2d(2), nn.BatchNorm2d(6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.norm1(self.conv(x))))
        return self.fc(self.norm2(x).mean((2, 3)))


def _trained(fold: Fold) -> tuple[TrainableNetwork, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(32, 2, 6, 6)
    rules = [
        QatRule(match="conv", weight=BinaryWeight, activation=MovingAverageActivation),
        QatRule(weight=MinMaxWeight, activation=partial(MovingAverageActivation, format=Int(16))),
    ]
    recipe = QatRecipe(rules=rules, batchnorm=BatchNormTraining(fold=fold, shift=True))
    network = prepare(capture(Small(), x[:1]), recipe).train()
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), (x.mean((1, 2, 3)) > 0).long()).backward()
        optimizer.step()
    return network.eval(), x


@pytest.mark.parametrize("fold", [Fold.NONE, Fold.TWO_CONV])
def test_what_ships_has_powers_of_two_as_factors(fold: Fold) -> None:
    network, x = _trained(fold)
    weight = finish(network).weights["conv.weight"]
    assert isinstance(weight, ScaledTensor)
    mantissas, _ = np.frexp(weight.params.scale)
    assert (mantissas == 0.5).all()
    # Folded before they were quantized, the weights are -1 and +1 with the factor in them.
    assert (len(np.unique(weight.params.scale)) > 1) == (fold is Fold.NONE)
    with torch.no_grad():
        wanted, found = network.simulate(x), network(x)
    assert isinstance(wanted, Tensor)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.02 * float(wanted.abs().max()))
