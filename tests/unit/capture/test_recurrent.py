"""nn.RNN, nn.LSTM and nn.GRU: torch's numbers, a loop for each layer and direction."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.errors import UnsupportedOpError
from intact.exec.reference import load
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.scans import every_node, unrolled
from intact.ir.verify import verify_graph

INPUTS, WIDTH, STEPS = 3, 4, 5
KINDS: dict[str, Any] = {
    "rnn": nn.RNN,
    "rnn-relu": lambda *sizes, **more: nn.RNN(*sizes, nonlinearity="relu", **more),
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "deep": {"num_layers": 2, "bidirectional": True, "dropout": 0.3},
    "without-bias": {"bias": False},
}


class Network(nn.Module):
    """The layer with all that it takes and gives."""

    def __init__(self, kind: str, **settings: Any) -> None:
        super().__init__()
        self.layer = KINDS[kind](INPUTS, WIDTH, **settings)

    def forward(self, x: Tensor, *initial: Tensor) -> tuple[Tensor, ...]:
        given = (initial if len(initial) == 2 else initial[0],) if initial else ()
        output, states = self.layer(x, *given)
        return output, *(states if isinstance(states, tuple) else (states,))


def numbers(graph: Graph[FloatOp], inputs: tuple[Tensor, ...]) -> list[np.ndarray]:
    values = load(graph)({v.name: x.numpy() for v, x in zip(graph.inputs, inputs, strict=True)})
    return [values[value.name] for value in graph.outputs]


def assert_same(graph: Graph[FloatOp], model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """In torch and in NumPy, with loops and without."""
    verify_graph(graph)
    with torch.no_grad():
        expected = model(*inputs)
        found = from_graph(graph).eval().run(inputs)
    for theirs, *ours in zip(
        expected, found, numbers(graph, inputs), numbers(unrolled(graph), inputs), strict=True
    ):
        for made in ours:
            np.testing.assert_allclose(np.asarray(made), theirs.numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("kind", ["rnn-relu", "lstm", "gru"])
def test_a_layer_computes_what_torch_computes(kind: str, settings: dict[str, Any]) -> None:
    torch.manual_seed(3)
    model = Network(kind, batch_first=True, **settings).eval()
    x = torch.randn(2, STEPS, INPUTS)
    assert_same(capture(model, x), model, (torch.randn(3, STEPS, INPUTS),))


@pytest.mark.parametrize("kind", KINDS)
def test_time_first_and_given_states(kind: str) -> None:
    torch.manual_seed(4)
    model = Network(kind, num_layers=2).eval()
    x = torch.randn(STEPS, 2, INPUTS)
    initial = [torch.randn_like(state) for state in model(x)[1:]]
    inputs = (x, *initial)
    assert_same(capture(model, inputs, dynamic_batch=False), model, inputs)


def test_states_of_a_layer_that_the_module_learns() -> None:
    class Learned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.GRU(INPUTS, WIDTH, batch_first=True)
            self.start = nn.Parameter(torch.randn(1, 1, WIDTH))

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            start = self.start.expand(-1, x.shape[0], -1)
            return (self.layer(x, start.contiguous())[0],)

    model = Learned().eval()
    graph = capture(model, torch.randn(2, STEPS, INPUTS))
    assert "start" in graph.constants
    assert_same(graph, model, (torch.randn(3, STEPS, INPUTS),))


def test_names() -> None:
    model = Network("lstm", num_layers=2, batch_first=True).eval()
    graph = capture(model, torch.randn(2, STEPS, INPUTS))
    loops = {node.name: node.op for node in graph.nodes if isinstance(node.op, ops.Scan)}
    first, last = "layer.l0", "layer"  # the last layer's sequence is what the module gives
    assert list(loops) == [first, f"{first}.c.sequence", last, "layer.l1.c.sequence"]
    assert [loops[last].axis, loops[last].state, loops[last].reverse] == [1, 0, False]
    inner = [node.name for node in loops[first].body.nodes]
    gates = [f"layer.l0.{gate}" for gate in ("i.slice", "i", "f.slice", "f")]
    assert inner[:6] == ["layer.l0.recurrent", "layer.l0.gates", *gates]
    assert inner[-1] == "layer.l0.h"
    everything = {node.name for node in every_node(graph)}
    assert {"layer.l0.input", "layer.l1.h", "layer.l1.c_n", "layer.h_n"} <= everything
    assert set(model.state_dict()) < set(graph.constants)


def test_a_projection_of_h() -> None:
    model = nn.LSTM(INPUTS, WIDTH, batch_first=True, proj_size=2).eval()
    graph = capture(model, torch.randn(2, STEPS, INPUTS))
    assert graph.outputs[0].shape == (-1, STEPS, 2)
    assert "weight_hr_l0" in graph.constants


def test_time_is_not_the_batch() -> None:
    with pytest.raises(UnsupportedOpError, match="batch_first=True"):
        capture(Network("gru").eval(), torch.randn(STEPS, 2, INPUTS))


def test_weights_train_and_both_sequences_take_one_run() -> None:
    torch.manual_seed(5)
    model = Network("lstm", batch_first=True)
    x = torch.randn(2, STEPS, INPUTS)
    captured = from_graph(capture(model, x))
    assert captured.state_dict().keys() == model.state_dict().keys()
    runs: list[str] = []
    outputs = captured.run((x,), lambda name, _: runs.append(name))
    assert runs.count("layer.l0.h") == STEPS + 1  # the first of them is the initial state
    sum(output.square().sum() for output in outputs).backward()
    sum(output.square().sum() for output in model(x)).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(captured.get_parameter(name).grad, parameter.grad)
