"""A prepared network in the surroundings of training loops: compiled, mixed precision, copies."""

import copy
import io
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import intact
from intact.numerics.formats import Int
from intact.qat import (
    BatchNormTraining,
    Fold,
    LsqActivation,
    LsqWeight,
    MinMaxWeight,
    MovingAverageActivation,
    QatRecipe,
    QatRule,
    TrainableNetwork,
    prepare,
)

INT8 = QatRule(weight=MinMaxWeight, activation=MovingAverageActivation)
LSQ = QatRule(
    weight=partial(LsqWeight, format=Int(4, narrow=True)),
    activation=partial(LsqActivation, format=Int(4)),
)


def _network(rule: QatRule, fold: Fold = Fold.NONE) -> TrainableNetwork:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )
    recipe = QatRecipe(rules=[rule], batchnorm=BatchNormTraining(fold=fold))
    return prepare(intact.to_graph(model, torch.zeros(2, 1, 6, 6)), recipe).train()


def _data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(16, 1, 6, 6, generator=generator)
    return x, (x.mean((1, 2, 3)) * 30).long() % 3


def _train(network: nn.Module, parameters: nn.Module, steps: int = 3) -> None:
    x, labels = _data()
    optimizer = torch.optim.SGD(parameters.parameters(), 0.05, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), labels).backward()
        optimizer.step()


def _same(one: nn.Module, other: nn.Module) -> None:
    mine, theirs = one.state_dict(), other.state_dict()
    assert mine.keys() == theirs.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], rtol=0, atol=0, msg=name)


# Of dynamo itself, which looks at .grad of what it traces.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_compiled_training_is_the_same() -> None:
    plain, compiled = _network(LSQ), _network(LSQ)
    _train(plain, plain, 2)
    torch._dynamo.reset()
    _train(torch.compile(compiled, backend="eager"), compiled, 2)
    _same(plain, compiled)


@pytest.mark.parametrize("fold", Fold, ids=str)
@pytest.mark.parametrize("rule", [INT8, LSQ], ids=["int8", "lsq"])
def test_mixed_precision_rounds_in_float32(rule: QatRule, fold: Fold) -> None:
    network, (x, labels) = _network(rule, fold), _data()
    read: dict[str, Tensor] = {}
    network.network.watchers.append(lambda name, value: read.update({name: value.detach()}))
    with torch.autocast("cpu", torch.bfloat16):
        found = network(x)
        loss = nn.functional.cross_entropy(found, labels)
    loss.backward()
    params = network.activations["2"].params()
    assert read["2"].dtype is torch.float32
    numbers = read["2"].numpy()
    assert (params.dequantize(params.quantize(numbers)) == numbers).all()
    assert read["0"].dtype is torch.bfloat16
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    step = float(network.activations["4"].params().scale)
    assert (found - _network(rule, fold)(x)).abs().mean() < step / 2


@pytest.mark.parametrize("rule", [INT8, LSQ], ids=["int8", "lsq"])
def test_copies_train_on_their_own(rule: QatRule) -> None:
    network = _network(rule)
    _train(network, network, 1)
    copied, again = copy.deepcopy(network), copy.deepcopy(network)
    _train(copied, copied)
    _same(network, again)
    _train(again, again)
    _same(copied, again)
    assert copied.activations["2"] is not network.activations["2"]


def test_the_state_dict_goes_through_a_file() -> None:
    network, other = _network(LSQ), _network(LSQ)
    _train(network, network)
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    _same(network, other)
    x, _ = _data()
    with torch.no_grad():
        assert torch.equal(network.eval()(x), other.eval()(x))


def test_weights_can_be_averaged() -> None:
    network = _network(LSQ)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5)
    )
    weights = []
    for _ in range(2):
        _train(network, network, 1)
        average.update_parameters(network)
        weights.append(network.network.constant("4.weight").detach().clone())
    assert isinstance(average.module, TrainableNetwork)
    found = average.module.network.constant("4.weight")
    torch.testing.assert_close(found, (weights[0] + weights[1]) / 2)
    assert intact.convert(average.module.eval()).stays_float == {}
