"""Products of whole numbers in training: one arithmetic's numbers are the other's."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from intact.capture.export import capture
from intact.numerics.formats import Int
from intact.qat import (
    Arithmetic,
    BatchNormTraining,
    BinaryWeight,
    DorefaActivation,
    DorefaGradient,
    DorefaWeight,
    Fold,
    LinearActivation,
    LinearGradient,
    LinearWeight,
    LogGradient,
    LsqWeight,
    MinMaxWeight,
    MovingAverageActivation,
    Product,
    QatRecipe,
    QatRule,
    TernaryWeight,
    TrainableNetwork,
    XnorWeight,
    prepare,
)
from intact.qat.levels import HasLevels, HasSteps, recovered

LINEAR = QatRule(weight=LinearWeight, activation=LinearActivation, gradient=LinearGradient)
DOREFA = QatRule(
    weight=partial(DorefaWeight, bits=2),
    activation=partial(DorefaActivation, format=Int(2, signed=False)),
    gradient=DorefaGradient,
)
EIGHT = QatRule(
    weight=partial(LinearWeight, format=Int(8)),
    activation=MovingAverageActivation,
    gradient=partial(LinearGradient, bits=8),
)
LOG = QatRule(
    weight=BinaryWeight, activation=LinearActivation, gradient=partial(LogGradient, bits=3)
)
CHANNELS = QatRule(weight=MinMaxWeight, activation=MovingAverageActivation, gradient=LinearGradient)
RULES = {"linear": LINEAR, "dorefa": DOREFA, "eight": EIGHT, "log": LOG, "channels": CHANNELS}


NETWORKS = ("mlp", "convolutions")


class Convolutions(nn.Module):
    """Strides, a kernel of one, a pooling between; BatchNorms."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 12, (3, 2), stride=2), nn.BatchNorm2d(12)
        self.pool, self.conv3 = nn.MaxPool2d(2), nn.Conv2d(12, 8, 1)
        self.fc = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        x = self.pool(self.bn2(self.conv2(x)).relu())
        logits: Tensor = self.fc(self.conv3(x).relu().flatten(1))
        return logits


def prepared(kind: str, rule: QatRule, arithmetic: Arithmetic) -> tuple[TrainableNetwork, Tensor]:
    """A network in training, and a batch."""
    torch.manual_seed(0)
    layers = (nn.Linear(20, 33), nn.ReLU(), nn.Linear(33, 17), nn.ReLU(), nn.Linear(17, 4))
    made = nn.Sequential(*layers) if kind == "mlp" else Convolutions()
    x = torch.randn(24, 20) if kind == "mlp" else torch.randn(24, 3, 9, 9)
    recipe = QatRecipe(rules=[rule], arithmetic=arithmetic)
    return prepare(capture(made, x[:1]), recipe).train(), x


def steps(network: TrainableNetwork, x: Tensor, count: int) -> list[Tensor]:
    """What there is after some steps: outputs, gradients and parameters."""
    labels = torch.arange(len(x)) % 4
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    y = network(x)
    for _ in range(count):
        optimizer.zero_grad()
        y = network(x)
        assert isinstance(y, Tensor)
        cross_entropy(y, labels).backward()
        optimizer.step()
    assert isinstance(y, Tensor)
    found = [p.grad for p in network.parameters() if p.grad is not None]
    return [y.detach(), *found, *(p.detach() for p in network.parameters())]


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
class TestArithmetic:
    def test_integers_train_as_levels_do(self, kind: str, rule: QatRule) -> None:
        levels = steps(*prepared(kind, rule, Arithmetic.LEVELS), 4)
        integers = steps(*prepared(kind, rule, Arithmetic.INTEGERS), 4)
        for a, b in zip(levels, integers, strict=True):
            assert torch.equal(a, b)

    def test_real_numbers_differ_by_rounding(self, kind: str, rule: QatRule) -> None:
        # Of one step: later ones may round numbers that differ to other codes.
        real, integers = (
            steps(*prepared(kind, rule, arithmetic), 1)
            for arithmetic in (Arithmetic.REAL, Arithmetic.INTEGERS)
        )
        for a, b in zip(real, integers, strict=True):
            far = ~torch.isclose(a, b, rtol=1e-3, atol=1e-5)
            assert far.float().mean() < 0.02


def reasons(kind: str, rule: QatRule) -> set[tuple[str, Product, str]]:
    """Which products of which layers are float, with the first word of what has no grid."""
    network, x = prepared(kind, rule, Arithmetic.INTEGERS)
    steps(network, x, 1)
    return {
        (found.layer, found.product, " ".join(found.reason.split()[:2]))
        for found in network.float_products()
    }


def test_all_products_of_one_scale_each_are_integers() -> None:
    assert not reasons("mlp", LINEAR)
    assert not reasons("convolutions", LINEAR)
    assert not reasons("convolutions", EIGHT)
    assert not reasons("mlp", LOG)


def test_steps_inside_of_sums_are_float() -> None:
    found = reasons("convolutions", CHANNELS)
    assert {product for _, product, _ in found} == {Product.INPUT_GRADIENT}
    found = reasons("mlp", DOREFA)
    weights = {(layer, why) for layer, product, why in found if product is Product.WEIGHT_GRADIENT}
    assert {why for _, why in weights} == {"the gradient"}
    assert len(weights) == 3


def test_convolutions_have_a_product_for_each_sample() -> None:
    found = {product for layer, product, _ in reasons("convolutions", DOREFA) if "conv" in layer}
    assert Product.WEIGHT_GRADIENT not in found


def test_what_is_not_quantized_is_float() -> None:
    no_gradient = QatRule(weight=LinearWeight, activation=LinearActivation)
    products = {product for _, product, _ in reasons("mlp", no_gradient)}
    assert products == {Product.INPUT_GRADIENT, Product.WEIGHT_GRADIENT}
    wide = QatRule(
        weight=LinearWeight, activation=LinearActivation, gradient=partial(LogGradient, bits=6)
    )
    assert {product for _, product, _ in reasons("mlp", wide)} == products
    sixteen = QatRule(weight=LinearWeight, activation=partial(LinearActivation, format=Int(16)))
    assert Product.FORWARD in {product for _, product, _ in reasons("mlp", sixteen)}


def test_layers_that_never_multiply_levels_are_told() -> None:
    layers = (
        nn.Conv2d(4, 4, 3, groups=2), nn.ConvTranspose2d(4, 4, 2), nn.Conv2d(4, 4, 1, bias=False),
        nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1),
    )  # fmt: skip
    x = torch.randn(2, 4, 6, 6)
    rules = [QatRule(match="4", activation=LinearActivation), LINEAR]
    recipe = QatRecipe(
        rules=rules, arithmetic=Arithmetic.INTEGERS, batchnorm=BatchNormTraining(fold=Fold.BATCH)
    )
    network = prepare(capture(nn.Sequential(*layers), x[:1]), recipe).train()
    network(x)
    found = {f.layer: f.reason for f in network.float_products() if f.product is Product.FORWARD}
    assert found == {
        "0": "the convolution has groups, one axis or uneven padding",
        "1": "the convolution is transposed",
        "2": "a BatchNorm is folded into the weight",
        "4": "the weight stays float",
    }


def test_numbers_of_a_delayed_quantizer_are_no_levels() -> None:
    delayed = QatRule(weight=LinearWeight, activation=partial(MovingAverageActivation, delay=2))
    network, x = prepared("mlp", delayed, Arithmetic.INTEGERS)
    for expected in (True, True, False):
        network(x)
        found = {f.product for f in network.float_products()}
        assert (Product.FORWARD in found) is expected


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_loss_scaler_sees_what_is_not_finite(kind: str) -> None:
    for rule in (LINEAR, DOREFA):
        network, x = prepared(kind, rule, Arithmetic.INTEGERS)
        y = network(x)
        assert isinstance(y, Tensor)
        (y.sum() * torch.inf).backward()  # type: ignore[no-untyped-call]
        assert any(not p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_tokens_have_a_product_for_each_sample() -> None:
    found = []
    for arithmetic in (Arithmetic.LEVELS, Arithmetic.INTEGERS):
        torch.manual_seed(0)
        x = torch.rand(4, 6, 5)
        recipe = QatRecipe(rules=[DOREFA], arithmetic=arithmetic)
        network = prepare(capture(nn.Sequential(nn.Linear(5, 7)), x[:1]), recipe).train()
        y = network(x)
        assert isinstance(y, Tensor)
        y.square().sum().backward()  # type: ignore[no-untyped-call]
        assert not network.float_products()
        found.append([p.grad for p in network.parameters() if p.grad is not None])
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("arithmetic", [Arithmetic.LEVELS, Arithmetic.INTEGERS])
def test_mixed_precision_keeps_levels_whole(arithmetic: Arithmetic) -> None:
    network, x = prepared("convolutions", EIGHT, arithmetic)
    network(x)
    expected = network(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network(x)
    assert isinstance(found, Tensor)
    assert isinstance(expected, Tensor)
    assert torch.isfinite(found).all()
    found.float().sum().backward()  # type: ignore[no-untyped-call]
    assert not network.float_products()


def test_a_linear_layer_worked_by_hand() -> None:
    # x = 0.25 (2, -3), w = 0.5 (1, -2): y = 0.125 * 8; g = 0.5 * 2: dw = 0.125 * (4, -6).
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -1.0]]))
    rule = QatRule(
        weight=partial(LinearWeight, format=Int(3), limit=2.0),
        activation=partial(LinearActivation, format=Int(4), limit=2.0),
        gradient=partial(LinearGradient, bits=3),
    )
    recipe = QatRecipe(rules=[rule], arithmetic=Arithmetic.INTEGERS)
    x = torch.tensor([[0.5, -0.75]])
    network = prepare(capture(nn.Sequential(layer), x), recipe).train()
    y = network(x)
    assert isinstance(y, Tensor)
    assert y.item() == 1.0
    y.backward()  # type: ignore[no-untyped-call]
    (gradient,) = (p.grad for p in network.parameters() if p.grad is not None)
    # The largest gradient, 1, saturates at 3/4: its steps are 1/4.
    torch.testing.assert_close(gradient, torch.tensor([[0.375, -0.5625]]))


@pytest.mark.parametrize(
    "make",
    [
        partial(DorefaWeight, bits=1), partial(DorefaWeight, bits=7), BinaryWeight, XnorWeight,
        TernaryWeight, partial(LinearWeight, format=Int(2)), LsqWeight, MinMaxWeight,
        partial(MinMaxWeight, symmetric=False, format=Int(4)),
    ],
    ids=str,
)  # fmt: skip
def test_weights_lie_on_the_grid_that_they_name(make: Callable[[Tensor], nn.Module]) -> None:
    weight = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(0)) / 4
    quantizer = make(weight)
    assert isinstance(quantizer, HasSteps)
    found = recovered(quantizer(weight).detach(), quantizer.steps(weight))
    assert found is not None
    assert torch.equal(found.values, found.values.round())


@pytest.mark.parametrize("make", [DorefaGradient, LinearGradient, LogGradient])
def test_gradients_are_their_levels(make: Callable[[], nn.Module]) -> None:
    gradient = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0)) / 100
    first, second = make(), make()
    assert isinstance(second, HasLevels)
    levels = second.levels(gradient)
    assert levels is not None
    assert torch.equal(first(gradient), levels.real())
    assert torch.equal(levels.values, levels.values.round())
    assert levels.values.min() >= levels.steps.low
    assert levels.values.max() <= levels.steps.high
