"""BatchNorm folded while training: its gradients, its freezing, and what ships."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.numerics.formats import Int
from intact.numerics.granularity import PerTensor
from intact.numerics.qtensor import ScaledTensor
from intact.passes.fold_batchnorm import affine
from intact.qat import (
    BatchNormTraining,
    Fold,
    LsqWeight,
    MinMaxWeight,
    MovingAverageActivation,
    QatRecipe,
    QatRule,
    TrainableNetwork,
    finish,
    prepare,
)

FOLDS = [Fold.ONE_CONV, Fold.TWO_CONV, Fold.BATCH]
FINE = QatRule(weight=partial(MinMaxWeight, format=Int(16, narrow=True)))
COARSE = QatRule(
    weight=partial(MinMaxWeight, format=Int(4, narrow=True), granularity=PerTensor()),
    activation=MovingAverageActivation,
)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


class Block(nn.Module):
    """Convolutions with BatchNorm; one gain is negative, one 0."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.ConvTranspose2d(6, 4, 2, bias=False), nn.BatchNorm2d(4)
        with torch.no_grad():
            self.bn1.weight.copy_(torch.tensor([0.5, -0.7, 1.3, 2.0, 0.9, 1.1]))
            self.bn2.weight[1] = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))


def images(count: int = 16) -> Tensor:
    return torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(count))


def prepared(model: nn.Module, rule: QatRule, batchnorm: BatchNormTraining) -> TrainableNetwork:
    recipe = QatRecipe(rules=[rule], batchnorm=batchnorm)
    return prepare(capture(copy.deepcopy(model), images()[:1]), recipe)


@pytest.mark.parametrize("fold", FOLDS)
def test_without_rounding_it_trains_like_a_batchnorm(fold: Fold) -> None:
    model = Block().train()
    network = prepared(model, FINE, BatchNormTraining(fold=fold)).train()
    wanted, found = model(images()), network(images())
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
    weights = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1))
    (wanted * weights).sum().backward()
    (found * weights).sum().backward()
    for name, parameter in model.named_parameters():
        gradient = network.network.get_parameter(name).grad
        assert gradient is not None
        assert parameter.grad is not None
        scale = parameter.grad.abs().max() + 1
        torch.testing.assert_close(gradient / scale, parameter.grad / scale, rtol=0, atol=2e-3)
    for name, statistic in model.named_buffers():
        if "num_batches" not in name:
            found = network.network.get_buffer(name)
            torch.testing.assert_close(found, statistic, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("fold", [Fold.NONE, *FOLDS])
def test_frozen_statistics_stand_still(fold: Fold) -> None:
    network = prepared(Block(), COARSE, BatchNormTraining(fold=fold, freeze_after=2)).train()
    for _ in range(2):
        network(images())
    before = network.network.get_buffer("bn1.running_var").clone()
    found = network(images(8))
    assert network.batchnorm_frozen
    assert torch.equal(network.network.get_buffer("bn1.running_var"), before)
    # What is trained is now what evaluation simulates, but for moving ranges.
    for quantizer in network.activations.values():
        assert isinstance(quantizer, nn.Module)
        quantizer.eval()
    torch.testing.assert_close(network(images(8)), network.eval().simulate(images(8)))
    assert found.isfinite().all()


@pytest.mark.parametrize("fold", FOLDS)
@pytest.mark.parametrize("make", [COARSE, QatRule(weight=LsqWeight)], ids=["minmax", "lsq"])
def test_what_ships_is_the_folded_weight_quantized(fold: Fold, make: QatRule) -> None:
    network = prepared(Block(), make, BatchNormTraining(fold=fold)).train()
    for seed in (8, 12):
        network(images(seed)).square().sum().backward()
    network.eval()
    graph = network.network.to_graph()
    norm = next(node for node in graph.nodes if node.inputs[0].name == "conv1")
    factor, _ = affine(norm, graph.constants)
    weight = graph.constants["conv1.weight"] * factor.astype(np.float32).reshape(-1, 1, 1, 1)
    _, quantizer = network.weights["conv1.weight"]
    wanted = quantizer.freeze(torch.from_numpy(weight))
    found = finish(network).weights["conv1.weight"]
    assert isinstance(found, ScaledTensor)
    assert isinstance(wanted, ScaledTensor)
    assert (found.codes != wanted.codes).mean() < 0.01  # rounding of the factor
    np.testing.assert_allclose(
        found.params.scale, np.broadcast_to(wanted.params.scale, found.params.scale.shape), 1e-6
    )


@pytest.mark.parametrize("fold", [Fold.NONE, *FOLDS])
def test_integers_are_what_was_trained(fold: Fold) -> None:
    network = prepared(Block(), COARSE, BatchNormTraining(fold=fold)).train()
    for seed in range(10, 16):
        network(images(seed))
    network.eval()
    found, wanted = network(images()), network.simulate(images())
    assert isinstance(wanted, Tensor)
    step = float(network.activations["conv2"].params().scale)
    assert ((found - wanted).abs() < 0.5 * step).float().mean() > 0.9


def test_freezing_by_hand_is_in_the_state_dict() -> None:
    network = prepared(Block(), COARSE, BatchNormTraining(fold=Fold.TWO_CONV)).train()
    network(images())
    assert not network.batchnorm_frozen
    network.freeze_batchnorm()
    other = prepared(Block(), COARSE, BatchNormTraining(fold=Fold.TWO_CONV))
    other.load_state_dict(network.state_dict())
    assert other.batchnorm_frozen


def test_a_negative_number_of_batches_is_an_error() -> None:
    with pytest.raises(ValueError, match="-1"):
        BatchNormTraining(freeze_after=-1)
