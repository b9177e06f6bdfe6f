"""Numbers of quantizers, by hand."""

import importlib.util
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import intact
from intact.numerics.formats import Int
from intact.numerics.granularity import PerTensor
from intact.qat import (
    LsqActivation,
    LsqWeight,
    Oscillation,
    QatRule,
    TrainableNetwork,
    statistics,
    tensorboard,
)


def _network() -> TrainableNetwork:
    rule = QatRule(
        weight=partial(LsqWeight, format=Int(3, narrow=True), granularity=PerTensor()),
        activation=partial(LsqActivation, format=Int(4)),
    )
    network = intact.prepare(nn.Linear(2, 2, bias=False), [rule], example_input=torch.zeros(1, 2))
    network.train()(torch.tensor([[-1.0, 2.0]]))
    quantizers = [network.weights["weight"][1], network.activations["input"]]
    with torch.no_grad():
        network.network.constant("weight").copy_(torch.tensor([[1.0, 2.0], [1.7, -4.0]]))
        for quantizer in quantizers:
            assert isinstance(quantizer, LsqWeight | LsqActivation)
            quantizer.step.fill_(0.5)
    return network


def test_scales_ranges_and_shares() -> None:
    network = _network()
    # Weights reach to 3 * 0.5; 1.7 is within half a step of that. Inputs: -8 * 0.5 .. 7 * 0.5.
    found = statistics(network, torch.tensor([[-4.2, 9.0]]), Oscillation(network))
    assert found["weight/scale"] == 0.5
    assert found["weight/clipped"] == 0.5
    assert found["weight/oscillating"] == 0
    assert (found["input/scale"], found["input/low"], found["input/high"]) == (0.5, -4, 3.5)
    assert found["input/clipped"] == 0.5
    assert network.training


def test_before_any_data_there_are_weights_only() -> None:
    rule = QatRule(weight=LsqWeight, activation=LsqActivation)
    network = intact.prepare(nn.Linear(2, 2), [rule], example_input=torch.zeros(1, 2))
    assert set(statistics(network, torch.zeros(1, 2))) == {"weight/scale", "weight/clipped"}


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="needs tensorboard: pip install it"
)
def test_tensorboard_writes_a_file(tmp_path: Path) -> None:
    writer = tensorboard(str(tmp_path))
    for name, number in statistics(_network()).items():
        writer.add_scalar(name, number, 0)
    writer.close()
    assert list(tmp_path.iterdir())


def test_without_tensorboard_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        tensorboard(str(tmp_path))
