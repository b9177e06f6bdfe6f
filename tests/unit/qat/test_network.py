"""prepare and finish: where quantizers stand, and that training's numbers become the integers."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import intact
from intact.capture.export import capture
from intact.exec import reference
from intact.lower.lower import lower
from intact.numerics.formats import Int
from intact.numerics.qtensor import ScaledTensor
from intact.passes.fold_batchnorm import affine
from intact.qat import (
    FakeActivation,
    FakeWeight,
    LsqActivation,
    LsqWeight,
    MinMaxWeight,
    MovingAverageActivation,
    QatRule,
    TrainableNetwork,
    finish,
    prepare,
)


class Residual(nn.Module):
    """Convolutions with BatchNorm and an addition; gains that are negative and 0."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 5)
        with torch.no_grad():
            self.bn1.weight[3] = -0.7
            self.bn2.weight[5] = 0

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)) + x)
        return self.fc(x.mean((2, 3)))


def rule(
    weight: Callable[[Tensor], FakeWeight] | None, activation: Callable[[], FakeActivation] | None
) -> QatRule:
    return QatRule(weight=weight, activation=activation)


INT8 = rule(MinMaxWeight, MovingAverageActivation)
ASYMMETRIC = rule(partial(MinMaxWeight, format=Int(8), symmetric=False), MovingAverageActivation)
LSQ8 = rule(partial(LsqWeight, format=Int(8, narrow=True)), partial(LsqActivation, format=Int(8)))


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(32, 3, 6, 6, generator=generator)
    return x, (x.mean((2, 3)) @ torch.randn(3, 5, generator=generator)).argmax(1)


def trained(rules: list[QatRule], steps: int = 20) -> TrainableNetwork:
    torch.manual_seed(0)
    x, labels = data()
    network = prepare(capture(Residual(), x[:1]), rules).train()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), labels).backward()
        optimizer.step()
    return network.eval()


def test_quantizers_stand_where_integers_do() -> None:
    network = trained([INT8], steps=1)
    assert set(network.weights) == {"conv1.weight", "conv2.weight", "fc.weight"}
    # conv1 and the addition have their ReLU fused; conv2's output is an addend.
    assert set(network.activations) == {"x", "relu", "conv2", "relu_1", "mean", "fc"}
    assert "network.bn1.running_mean" in network.state_dict()
    assert "network.relu.quantizer.low" in network.state_dict()


def test_training_learns() -> None:
    x, labels = data()
    losses = [
        nn.functional.cross_entropy(trained([LSQ8], steps)(x), labels).item() for steps in (1, 40)
    ]
    assert losses[1] < 0.7 * losses[0]


@pytest.mark.parametrize("chosen", [INT8, ASYMMETRIC, LSQ8], ids=["int8", "asymmetric", "lsq"])
def test_folded_weights_are_the_trained_ones_times_the_factor(chosen: QatRule) -> None:
    network = trained([chosen])
    model = finish(network)
    graph = network.network.to_graph()
    for conv, norm in (("conv1", "batch_norm"), ("conv2", "batch_norm_1")):
        norms = {node.name: node for node in graph.nodes}
        name = norm if norm in norms else conv.replace("conv", "bn")
        factor, _ = affine(norms[name], graph.constants)
        weight = network.network.constant(f"{conv}.weight").detach()
        _, quantizer = network.weights[f"{conv}.weight"]
        wanted = quantizer(weight).detach().numpy() * factor.reshape(-1, 1, 1, 1)
        found = model.weights[f"{conv}.weight"]
        assert isinstance(found, ScaledTensor)
        np.testing.assert_allclose(found.dequantize(), wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("chosen", [INT8, ASYMMETRIC, LSQ8], ids=["int8", "asymmetric", "lsq"])
def test_integers_are_what_was_trained(chosen: QatRule) -> None:
    network = trained([chosen])
    x, _ = data()
    program = lower(finish(network))
    (output,) = program.outputs
    found = reference.load(program)({program.inputs[0].name: x.numpy()})[output.name]
    with torch.no_grad():
        wanted = network.simulate(x)
    assert isinstance(wanted, Tensor)
    wanted = wanted.numpy()
    np.testing.assert_array_equal(network(x), found)  # evaluation runs the integers
    scale = float(network.activations["fc"].params().scale)
    steps = np.rint((found - wanted) / scale)
    assert np.abs(steps).max() <= 2
    assert (steps == 0).mean() > 0.5
    assert (found.argmax(1) == wanted.argmax(1)).mean() >= 0.96


def test_layers_without_a_rule_stay_float() -> None:
    only = QatRule(match="conv1", weight=MinMaxWeight)
    network = trained([only], steps=1)
    assert set(network.weights) == {"conv1.weight"}
    assert network.activations == {}
    assert set(finish(network).weights) == {"conv1.weight"}


def test_a_rule_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nearest names"):
        prepare(capture(Residual(), torch.zeros(1, 3, 6, 6)), [QatRule(match="conv9")])


def test_layers_that_share_a_weight_need_one_rule() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.layer(x).relu())

    graph = capture(Shared(), torch.zeros(1, 4))
    first = next(node.name for node in graph.nodes)
    with pytest.raises(ValueError, match="share the weight"):
        prepare(graph, [QatRule(match=first, weight=MinMaxWeight), QatRule(weight=LsqWeight)])
    assert len(prepare(graph, [INT8]).weights) == 1


def test_an_untrained_network_cannot_be_finished() -> None:
    network = prepare(capture(Residual().eval(), torch.zeros(1, 3, 6, 6)), [INT8])
    with pytest.raises(intact.CalibrationError, match="training mode"):
        finish(network)


def test_prepare_and_convert_are_the_whole_way() -> None:
    x, _ = data()
    network = intact.prepare(Residual(), [INT8], example_input=x[:1])
    network.train()(x)
    quantized = intact.convert(network.eval())
    assert quantized.stays_float == {}
    assert intact.compile(quantized)(x.numpy()).shape == (32, 5)


def test_the_state_dict_restores_everything() -> None:
    network = trained([LSQ8])
    other = prepare(capture(Residual(), torch.zeros(1, 3, 6, 6)), [LSQ8])
    other.load_state_dict(network.state_dict())
    x, _ = data()
    with torch.no_grad():
        torch.testing.assert_close(other.eval()(x), network(x), rtol=0, atol=0)


def test_parameters_of_a_batchnorm_of_its_own_train_unrounded() -> None:
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.norm, self.fc2 = nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc2(self.norm(self.fc1(x).relu()))

    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    coarse = QatRule(match="norm*", activation=partial(LsqActivation, format=Int(2)))
    model = Normed()
    with torch.no_grad():
        model.norm.weight.copy_(torch.linspace(0.7, 1.9, 6))
        model.norm.bias.copy_(torch.linspace(-0.5, 0.3, 6))
    network = prepare(capture(model, x[:2]), [coarse]).train()
    read: list[Tensor] = []
    network.activations["norm"].register_forward_pre_hook(lambda _, args: read.append(args[0]))  # type: ignore[attr-defined]
    network(x)
    with torch.no_grad():
        torch.testing.assert_close(read[0].detach(), model.norm.train()(model.fc1(x).relu()))
