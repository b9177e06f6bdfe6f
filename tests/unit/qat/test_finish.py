"""finish: BatchNorms folded into weights of every format, and the integers of what comes out."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import intact
from intact.exec import native, reference
from intact.ir.int_ops import QConv2d, QConvTranspose2d, QLinear
from intact.numerics.formats import Binary, Format, Int, MidRise, PowerOfTwo, Ternary
from intact.numerics.qtensor import QTensor, ScaledTensor
from intact.observers.params import SMALLEST_SCALE
from intact.passes.fold_batchnorm import affine, along_outputs
from intact.qat import (
    BinaryWeight,
    DorefaWeight,
    FakeWeight,
    LogWeight,
    LsqActivation,
    LsqWeight,
    QatRule,
    TernaryWeight,
    TrainableNetwork,
    XnorWeight,
    finish,
)

WEIGHTS: dict[str, tuple[Callable[[Tensor], FakeWeight], Format]] = {
    "bnn": (BinaryWeight, Binary()),
    "xnor": (XnorWeight, Binary()),
    "twn": (TernaryWeight, Ternary()),
    "dorefa": (partial(DorefaWeight, bits=2), MidRise(2)),
    "log": (partial(LogWeight, format=PowerOfTwo(4)), PowerOfTwo(4)),
    "lsq": (partial(LsqWeight, format=Int(2)), Int(2)),
}


Layer = QConv2d | QConvTranspose2d | QLinear


class Layers(nn.Module):
    """A BatchNorm with gains of every sign behind each kind of layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.up, self.bn2 = nn.ConvTranspose2d(8, 6, 2, stride=2), nn.BatchNorm2d(6)
        self.depthwise, self.bn3 = nn.Conv2d(6, 6, 3, groups=6), nn.BatchNorm2d(6)
        self.grouped, self.bn4 = nn.Conv2d(6, 8, 3, groups=2, bias=False), nn.BatchNorm2d(8)
        self.fc, self.bn5 = nn.Linear(8, 5), nn.BatchNorm1d(5)
        with torch.no_grad():
            for norm in (self.bn1, self.bn2, self.bn3, self.bn4, self.bn5):
                norm.weight.uniform_(0.5, 1.5)
                norm.weight[1:3] *= -1
                norm.weight[4] = 0
                norm.bias.uniform_(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv(x)))
        x = torch.relu(self.bn2(self.up(x)))
        x = torch.relu(self.bn3(self.depthwise(x)))
        x = torch.relu(self.bn4(self.grouped(x)))
        return self.bn5(self.fc(x.mean((2, 3))))


@cache
def trained(name: str) -> tuple[TrainableNetwork, Tensor]:
    """After some batches, which move the BatchNorms' averages; activations of 2 bits."""
    make, _ = WEIGHTS[name]
    torch.manual_seed(0)
    x = torch.randn(16, 3, 6, 6)
    rules = [
        QatRule(match="x", activation=partial(LsqActivation, format=Int(8))),
        QatRule(match="fc", weight=make, activation=partial(LsqActivation, format=Int(8))),
        QatRule(weight=make, activation=partial(LsqActivation, format=Int(2))),
    ]
    network = intact.prepare(Layers(), rules, example_input=x[:2]).train()
    for _ in range(3):
        network(x)
    return network.eval(), x


@pytest.mark.parametrize("name", WEIGHTS)
def test_folded_weights_are_the_trained_ones_times_the_factor(name: str) -> None:
    _, format = WEIGHTS[name]
    network, _ = trained(name)
    model = finish(network)
    graph = network.network.to_graph()
    nodes = {node.name: node for node in graph.nodes}
    for number, layer in enumerate(("conv", "up", "depthwise", "grouped", "fc"), 1):
        factor, _ = affine(nodes[f"bn{number}"], graph.constants)
        op, quantizer = network.weights[f"{layer}.weight"]
        weight = network.weight(f"{layer}.weight").detach()
        frozen: QTensor = quantizer.freeze(weight)
        real = frozen.dequantize().swapaxes(0, 1) if layer == "up" else frozen.dequantize()
        found = model.weights[f"{layer}.weight"]
        assert isinstance(found, ScaledTensor)
        assert found.params.format == format
        wanted = real * along_outputs(op, factor, real.shape)
        tiny = 4 * SMALLEST_SCALE
        np.testing.assert_allclose(found.dequantize(), wanted, rtol=1e-6, atol=tiny)


@pytest.mark.parametrize("name", WEIGHTS)
def test_integers_are_what_was_trained(name: str) -> None:
    _, format = WEIGHTS[name]
    network, x = trained(name)
    converted = intact.convert(network)
    assert converted.stays_float == {}
    layers = [n for n in converted.program.nodes if isinstance(n.op, Layer)]
    assert [n.inputs[1].dtype for n in layers] == [format] * 5
    bits = {n.op.requant.accumulator_bits for n in layers if isinstance(n.op, Layer)}
    assert bits == {32}
    inputs = {converted.program.inputs[0].name: x.numpy()}
    (name,) = reference.load(converted.program)(inputs)
    made = reference.load(converted.program)(inputs)[name]
    np.testing.assert_array_equal(native.load(converted.program)(inputs)[name], made)
    with torch.no_grad():
        simulated = network.simulate(x)
    assert isinstance(simulated, Tensor)
    scale = float(network.activations["fc"].params().scale)
    steps = np.rint((made - simulated.numpy()) / scale)
    assert np.abs(steps).max() <= 6
    assert (steps == 0).mean() > 0.6
    np.testing.assert_array_equal(made[:, 4], made[0, 4])  # a gain of 0
