"""Recurrent networks: they train with quantizers inside of the loop, and ship what was trained."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact import qat
from intact.capture.export import capture
from intact.exec import reference
from intact.ir.int_ops import QLinear, QScan
from intact.lower.lower import lower
from intact.numerics.formats import Int
from intact.qat import LsqActivation, LsqWeight, MinMaxWeight, MovingAverageActivation, QatRule
from intact.qat.network import TrainableNetwork

STEPS, INPUTS, WIDTH = 6, 3, 8
LSQ = QatRule(
    weight=partial(LsqWeight, format=Int(4, narrow=True)), activation=partial(LsqActivation, Int(4))
)
MINMAX = QatRule(
    weight=partial(MinMaxWeight, format=Int(8, narrow=True)),
    activation=partial(MovingAverageActivation, Int(8)),
)
NARROW = QatRule(
    weight=partial(LsqWeight, format=Int(4, narrow=True)),
    activation=partial(LsqActivation, Int(8)),
    input=partial(LsqActivation, Int(4)),
)


class Sums(nn.Module):
    """Whether the first feature's sum over time is positive."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.rnn = kind(INPUTS, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.rnn(x)[0][:, -1])
        return scores


def samples(seed: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(64, STEPS, INPUTS, generator=torch.Generator().manual_seed(seed))
    return x, (x[..., 0].sum(1) > 0).long()


def network(kind: type[nn.RNNBase], *rules: QatRule) -> TrainableNetwork:
    torch.manual_seed(0)
    return qat.prepare(capture(Sums(kind), samples(1)[0]), rules).train()


def train(net: nn.Module, batches: int) -> list[float]:
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    x, y = samples(1)
    losses = []
    for _ in range(batches):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("kind", "rule"),
    [(nn.LSTM, LSQ), (nn.LSTM, MINMAX), (nn.GRU, NARROW), (nn.RNN, LSQ)],
    ids=["lstm-lsq", "lstm-minmax", "gru-inputs", "rnn-lsq"],
)
def test_it_trains_and_ships_what_was_trained(kind: type[nn.RNNBase], rule: QatRule) -> None:
    wide = QatRule(match="rnn.l0.gates", activation=partial(LsqActivation, Int(8)))
    net = network(kind, *([wide] if kind is nn.RNN else []), rule)
    losses = train(net, 30)
    assert losses[-1] < 0.6 * losses[0]
    model = qat.finish(net)
    for name, (_, quantizer) in net.weights.items():
        weight = net.network.constant(name)
        np.testing.assert_array_equal(
            model.weights[name].dequantize(), quantizer(weight).detach().numpy()
        )
    program = lower(model)
    body = next(node.op.body for node in program.nodes if isinstance(node.op, QScan))
    assert all(isinstance(node.output.dtype, Int) for node in body.nodes)
    x, _ = samples(2)
    found = reference.load(program)({program.inputs[0].name: x.numpy()})
    with torch.no_grad():
        evaluated, simulated = net.eval()(x), net.simulate(x)
    np.testing.assert_array_equal(evaluated.numpy(), found[program.outputs[0].name])
    agree = (evaluated.argmax(1) == simulated.argmax(1)).float().mean()
    assert agree >= 0.95


def test_inputs_of_layers_in_the_body_have_codes_of_their_own() -> None:
    net = network(nn.GRU, NARROW)
    train(net, 1)
    assert net.activations["rnn.l0.recurrent.input"].format == Int(4)
    assert net.activations["rnn.l0.h"].format == Int(8)
    program = lower(qat.finish(net))
    body = next(node.op.body for node in program.nodes if isinstance(node.op, QScan))
    layer = next(node for node in body.nodes if isinstance(node.op, QLinear))
    assert layer.inputs[0].dtype == Int(4)


def test_quantizers_of_states_begin_with_whole_sequences() -> None:
    """LSQ's first step is 2 mean|h| / sqrt(7), over the zeros at the start and all time steps."""
    net = network(nn.LSTM, LSQ)
    x, _ = samples(1)
    states: list[Tensor] = []
    with torch.no_grad():
        net.network.run((x,), lambda name, h: states.append(h) if name == "rnn.l0.h" else None)
    net(x)
    step = 2 * torch.cat(states).abs().mean() / 7**0.5
    found = net.activations["rnn.l0.h"].params().scale
    np.testing.assert_allclose(found, step.numpy(), rtol=1e-5)


def test_training_resumes_exactly() -> None:
    whole, first, second = (network(nn.LSTM, LSQ) for _ in range(3))
    optimizers = [torch.optim.SGD(net.parameters(), 0.1) for net in (whole, first, second)]
    x, y = samples(1)

    def run(number: int, net: nn.Module) -> None:
        optimizers[number].zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()  # type: ignore[no-untyped-call]
        optimizers[number].step()

    for _ in range(3):
        run(0, whole)
    run(1, first)
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        run(2, second)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], tensor, rtol=0, atol=0)
