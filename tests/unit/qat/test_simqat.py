from functools import partial

import pytest
import torch
from torch import nn

from intact.capture.export import capture
from intact.numerics.formats import Int
from intact.qat import MinMaxWeight, MovingAverageActivation, SimQat, finish, prepare
from intact.qat.batchnorm import BatchNormTraining, Fold


def _quantizers(config: SimQat) -> tuple[MinMaxWeight, MovingAverageActivation]:
    (rule,) = config.rules()
    assert rule.weight is not None
    assert rule.activation is not None
    weight, activation = rule.weight(torch.ones(2, 2)), rule.activation()
    assert isinstance(weight, MinMaxWeight)
    assert isinstance(activation, MovingAverageActivation)
    return weight, activation


def test_the_defaults_are_the_documented_ones() -> None:
    weight, activation = _quantizers(SimQat())
    assert weight.freeze(torch.ones(2, 2)).params.scale.shape == (2, 1)
    assert (weight.format, weight.symmetric, weight.delay) == (Int(8), True, 0)
    assert (activation.format, activation.symmetric, activation.delay) == (Int(8), False, 0)
    assert SimQat().recipe().batchnorm == BatchNormTraining(fold=Fold.NONE, freeze_after=10_000_000)


def test_pairs_are_activation_and_weight() -> None:
    weight, activation = _quantizers(
        SimQat(
            quant_delay=(900, 30),
            quant_dtype=(Int(8), Int(4)),
            per_channel=False,
            symmetric=(True, False),
            narrow_range=(False, True),
        )
    )
    assert weight.freeze(torch.ones(2, 2)).params.scale.shape == (1, 1)
    assert (weight.format, weight.symmetric, weight.delay) == (Int(4, narrow=True), False, 30)
    assert (activation.format, activation.symmetric, activation.delay) == (Int(8), True, 900)


@pytest.mark.parametrize(
    ("bn_fold", "one_conv_fold", "fold"),
    [
        (False, True, Fold.NONE),
        (False, False, Fold.NONE),
        (True, True, Fold.ONE_CONV),
        (True, False, Fold.TWO_CONV),
    ],
)
def test_how_batchnorms_fold(bn_fold: bool, one_conv_fold: bool, fold: Fold) -> None:
    found = SimQat(bn_fold=bn_fold, one_conv_fold=one_conv_fold, freeze_bn=7).recipe().batchnorm
    assert found == BatchNormTraining(fold=fold, freeze_after=7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(SimQat, per_channel=True), "per_channel"),
        (partial(SimQat, enable_fusion=False), "enable_fusion"),
        (partial(SimQat, symmetric=True, quant_dtype=Int(8, signed=False)), "signed"),
        (partial(SimQat, narrow_range=True, quant_dtype=Int(8, signed=False)), "narrow"),
    ],
)
def test_what_integers_cannot_do_is_refused(make: partial[SimQat], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_network_trains_with_it() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    x = torch.randn(8, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    config = SimQat(bn_fold=True, quant_delay=(1, 2))
    network = prepare(capture(model, x[:2]), config.recipe()).train()
    for _ in range(3):
        network(x).sum().backward()
    assert len(finish(network.eval()).weights) == 1
