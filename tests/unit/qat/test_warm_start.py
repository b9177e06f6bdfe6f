"""Training that goes on from a post-training result begins with its codes."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import intact
from intact.exec import reference
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.qat import (
    LsqActivation,
    LsqWeight,
    MinMaxWeight,
    MovingAverageActivation,
    QatRule,
    prepare_quantized,
)

LSQ = QatRule(
    weight=partial(LsqWeight, format=Int(4, narrow=True)),
    activation=partial(LsqActivation, format=Int(8)),
)
INT8 = QatRule(weight=MinMaxWeight, activation=MovingAverageActivation)


def _quantized() -> tuple[intact.QuantizedNetwork, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(64, 2, 6, 6)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.ConvTranspose2d(4, 3, 2),
        nn.Flatten(), nn.Linear(75, 3),
    )  # fmt: skip
    for _ in range(3):
        model(x)
    return intact.quantize(model.eval(), [x], example_input=x[:1], recipe="W4A8-adaround"), x


def _same_range(mine: QuantParams, theirs: object) -> bool:
    assert isinstance(theirs, QuantParams)
    return bool(np.isclose(mine.scale, theirs.scale)) and mine.offset == theirs.offset


def test_lsq_begins_with_the_same_integers() -> None:
    quantized, x = _quantized()
    network = prepare_quantized(quantized.model, [LSQ]).eval()
    (output,), (source,) = quantized.program.outputs, quantized.program.inputs
    wanted = reference.load(quantized.program)({source.name: x.numpy()})[output.name]
    with torch.no_grad():
        np.testing.assert_array_equal(network(x).numpy(), wanted)
    loss = network.train()(x).square().sum()
    loss.backward()
    assert all(p.grad is not None for p in network.parameters())


def test_ranges_begin_where_they_were_found() -> None:
    quantized, _ = _quantized()
    network = prepare_quantized(quantized.model, [INT8])
    assert network.activations
    for name, quantizer in network.activations.items():
        assert _same_range(quantizer.params(), quantized.model.activations[name])


@pytest.mark.parametrize("bits", [2, 6])
def test_other_formats_begin_with_the_weights_alone(bits: int) -> None:
    quantized, x = _quantized()
    rule = QatRule(
        weight=partial(LsqWeight, format=Int(bits, narrow=True)),
        activation=partial(LsqActivation, format=Int(bits)),
    )
    network = prepare_quantized(quantized.model, [rule])
    assert intact.convert(network.eval()).stays_float == {}
    assert torch.isfinite(network.simulate(x)).all()  # type: ignore[arg-type]
