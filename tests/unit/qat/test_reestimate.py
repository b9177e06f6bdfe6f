"""Statistics taken anew: those of the population, and nothing else moves."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

import intact
from intact.errors import CalibrationError
from intact.numerics.formats import Int
from intact.qat import (
    BatchNormTraining,
    Fold,
    LsqActivation,
    LsqWeight,
    MovingAverageActivation,
    QatRecipe,
    QatRule,
    TrainableNetwork,
    calibrate,
    prepare,
    reestimate_batchnorm,
)

LSQ = QatRule(
    weight=partial(LsqWeight, format=Int(3, narrow=True)),
    activation=partial(LsqActivation, format=Int(4)),
)


def _network(fold: Fold = Fold.NONE) -> TrainableNetwork:
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten()
    model = nn.Sequential(*layers, nn.Linear(16, 6), nn.BatchNorm1d(6))
    recipe = QatRecipe(rules=[LSQ], batchnorm=BatchNormTraining(fold=fold))
    network = prepare(intact.to_graph(model, torch.zeros(2, 2, 4, 4)), recipe).train()
    for x in _batches():
        network(x)
    return network


def _batches() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(32, 2, 4, 4, generator=generator) * 2 + 1 for _ in range(4)]


@pytest.mark.parametrize("fold", [Fold.NONE, Fold.TWO_CONV])
def test_the_first_batchnorm_gets_the_moments_of_all_batches(fold: Fold) -> None:
    network = _network(fold)
    read: list[Tensor] = []
    network.eval()
    network.network.watchers.append(lambda name, x: read.append(x) if name == "0" else None)
    for x in _batches():
        network.simulate(x)
    network.network.watchers.clear()
    reestimate_batchnorm(network.train(), _batches())
    assert network.training
    numbers = torch.cat(read).detach().transpose(0, 1).flatten(1)
    state = network.network.state_dict()
    torch.testing.assert_close(state["1.running_mean"], numbers.mean(1))
    torch.testing.assert_close(state["1.running_var"], numbers.var(1, correction=0))


def test_nothing_else_moves_and_labels_are_left_out() -> None:
    network = _network()
    before = {name: x.clone() for name, x in network.state_dict().items()}
    told: list[tuple[str, int]] = []
    reestimate_batchnorm(
        network, [(x, torch.zeros(32)) for x in _batches()], lambda what, n: told.append((what, n))
    )
    assert told == [("estimating BatchNorms again", n) for n in range(1, 5)]
    after = network.state_dict()
    moved = {name for name, x in before.items() if not torch.equal(after[name], x)}
    assert moved == {f"network.{n}.running_{s}" for n in (1, 6) for s in ("mean", "var")}


def test_statistics_that_were_spoilt_are_mended() -> None:
    network, x = _network().eval(), _batches()[0]
    reestimate_batchnorm(network, _batches())
    with torch.no_grad():
        wanted = network(x)
        network.network.get_buffer("1.running_mean").fill_(100)
        assert not torch.equal(network(x), wanted)
        reestimate_batchnorm(network, _batches())
        assert torch.equal(network(x), wanted)


def test_calibration_begins_ranges_and_leaves_the_rest() -> None:
    rule = QatRule(activation=MovingAverageActivation)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    network = intact.prepare(model, [rule], example_input=torch.zeros(2, 3))
    before = network.network.get_buffer("1.running_mean").clone()
    x = torch.linspace(-2, 6, 12).reshape(4, 3)
    calibrate(network, [x])
    params = network.activations["input"].params()
    codes = params.dequantize(params.quantize(x.numpy()))
    assert abs(codes - x.numpy()).max() <= params.scale
    assert network.training
    assert torch.equal(network.network.get_buffer("1.running_mean"), before)
    assert int(network.batches) == 0
    assert intact.convert(network.eval()).program.nodes


def test_no_batch_is_an_error() -> None:
    with pytest.raises(CalibrationError, match="give some"):
        reestimate_batchnorm(_network(), [])
    with pytest.raises(CalibrationError, match="give some"):
        calibrate(_network(), [])
