"""Every method learns: a small network on digits, one layer of it on grids of 4 and of 2 bits."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from intact.capture.export import capture
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.formats import Int, PowerOfTwo
from intact.qat import (
    BinaryWeight,
    BucketedWeight,
    DorefaActivation,
    DorefaGradient,
    DorefaWeight,
    FakeActivation,
    FakeWeight,
    InqWeight,
    IntegerPointsWeight,
    LinearActivation,
    LinearWeight,
    LogWeight,
    LsqActivation,
    LsqPlusActivation,
    LsqPlusWeight,
    LsqWeight,
    MinMaxWeight,
    MovingAverageActivation,
    PactActivation,
    QatRecipe,
    QatRule,
    TernaryWeight,
    TqtActivation,
    TqtWeight,
    TtqWeight,
    XnorWeight,
    penalty,
    prepare,
)

STEPS, BATCH = 24, 64
TRAINING = 1280  # of 1797 digits

Weight: TypeAlias = Callable[[Tensor], FakeWeight]
Input: TypeAlias = Callable[[], FakeActivation]


def lsq_inputs(bits: int) -> Input:
    return partial(LsqActivation, format=Int(bits))


def noisy(bits: int) -> tuple[Weight, Input]:
    return (
        partial(MinMaxWeight, format=Int(bits, narrow=True), stochastic=True),
        partial(MovingAverageActivation, format=Int(bits), stochastic=True),
    )


METHODS: dict[str, Callable[[int], tuple[Weight, Input]]] = {
    "minmax": lambda bits: (
        partial(MinMaxWeight, format=Int(bits, narrow=True)),
        partial(MovingAverageActivation, format=Int(bits)),
    ),
    "stochastic": noisy,
    "lsq": lambda bits: (partial(LsqWeight, format=Int(bits)), lsq_inputs(bits)),
    "lsq+": lambda bits: (
        partial(LsqPlusWeight, format=Int(bits)),
        partial(LsqPlusActivation, format=Int(bits)),
    ),
    "tqt": lambda bits: (
        partial(TqtWeight, format=Int(bits)),
        partial(TqtActivation, format=Int(bits)),
    ),
    "pact": lambda bits: (
        partial(DorefaWeight, bits=bits),
        partial(PactActivation, format=Int(bits)),
    ),
    "dorefa": lambda bits: (
        partial(DorefaWeight, bits=bits),
        partial(DorefaActivation, format=Int(bits)),
    ),
    "inq": lambda bits: (partial(InqWeight, bits=bits, shares=(0.5, 1.0)), lsq_inputs(bits)),
    "bucketed": lambda bits: (partial(BucketedWeight, bits=bits), lsq_inputs(bits)),
    "points": lambda bits: (partial(IntegerPointsWeight, bits=bits), lsq_inputs(bits)),
    "linear": lambda bits: (
        partial(LinearWeight, format=Int(bits)),
        partial(LinearActivation, format=Int(bits)),
    ),
}

# Whose weights have a number of bits of their own.
FIXED: dict[str, Callable[[int], tuple[Weight, Input]]] = {
    "log": lambda bits: (partial(LogWeight, format=PowerOfTwo(4)), lsq_inputs(bits)),
    "binary": lambda bits: (BinaryWeight, lsq_inputs(bits)),
    "xnor": lambda bits: (XnorWeight, lsq_inputs(bits)),
    "ternary": lambda bits: (TernaryWeight, lsq_inputs(bits)),
    "ttq": lambda bits: (TtqWeight, lsq_inputs(bits)),
    "dorefa-w1": lambda bits: (DorefaWeight, partial(DorefaActivation, format=Int(bits))),
}


def _convolution(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]


def _train(network: nn.Module, x: Tensor, labels: Tensor) -> None:
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    network.train()
    for step in range(STEPS):
        if step == STEPS // 2:
            for part in network.modules():
                if isinstance(part, InqWeight):
                    part.advance()
        batch = slice(BATCH * step % TRAINING, BATCH * step % TRAINING + BATCH)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x[batch]), labels[batch])
        (loss + penalty(network)).backward()
        optimizer.step()
    network.eval()


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    found = load_digits()
    order = torch.randperm(len(found.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(found.images, dtype=torch.float32)[order].unsqueeze(1)
    return images / 16, torch.tensor(found.target)[order]


@pytest.fixture(scope="module")
def graph(digits: tuple[Tensor, Tensor]) -> Graph[FloatOp]:
    torch.manual_seed(0)
    model = nn.Sequential(
        *_convolution(1, 12, 2),
        *_convolution(12, 16, 2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    return capture(model, digits[0][:2])


def _learned(graph: Graph[FloatOp], rule: QatRule, digits: tuple[Tensor, Tensor]) -> float:
    ends = QatRule(
        weight=MinMaxWeight, activation=MovingAverageActivation, input=MovingAverageActivation
    )
    network = prepare(graph, QatRecipe(rules=(rule,), ends=ends))
    x, labels = digits
    _train(network, x, labels)
    with torch.no_grad():
        found, simulated = network(x[TRAINING:]), network.simulate(x[TRAINING:])
    assert isinstance(found, Tensor)  # of integers
    assert isinstance(simulated, Tensor)
    assert (found.argmax(1) == simulated.argmax(1)).float().mean() >= 0.98
    return (found.argmax(1) == labels[TRAINING:]).float().mean().item()


@pytest.mark.parametrize(
    ("method", "bits", "right"),
    [(name, 4, 0.85) for name in METHODS]
    + [(name, 2, 0.7) for name in METHODS]
    + [(name, 2, 0.7) for name in FIXED],
)
def test_it_learns(
    method: str, bits: int, right: float, graph: Graph[FloatOp], digits: tuple[Tensor, Tensor]
) -> None:
    weight, read = (METHODS | FIXED)[method](bits)
    rule = QatRule(weight=weight, activation=MovingAverageActivation, input=read)
    assert _learned(graph, rule, digits) >= right


def test_it_learns_from_quantized_gradients(
    graph: Graph[FloatOp], digits: tuple[Tensor, Tensor]
) -> None:
    weight, read = METHODS["dorefa"](4)
    rule = QatRule(
        weight=weight,
        activation=MovingAverageActivation,
        input=read,
        gradient=partial(DorefaGradient, bits=4),
    )
    assert _learned(graph, rule, digits) >= 0.85
