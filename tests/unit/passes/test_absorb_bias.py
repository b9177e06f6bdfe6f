"""What a ReLU leaves alone moves into the next bias, and the function stays where x >= c."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.verify import verify_graph
from intact.passes.absorb_bias import absorb_bias


def _network(*behind: nn.Module) -> Graph[FloatOp]:
    """Channels of mean 5, 1, 0, 9 and deviation 1, 0.5, 1, 0.5 and what is behind them."""
    norm = nn.BatchNorm2d(4, eps=1e-6)
    model = nn.Sequential(nn.Conv2d(4, 4, 1, groups=4, bias=False), norm, *behind).eval()
    with torch.no_grad():
        model[0].weight.fill_(1)
        norm.bias.copy_(torch.tensor([5.0, 1, 0, 9]))
        norm.weight.copy_(torch.tensor([1, -0.5, 1, 0.5]))
    return capture(model, torch.zeros(2, 4, 6, 6))


def _run(graph: Graph[FloatOp], x: Tensor) -> np.ndarray:
    with torch.no_grad():
        return from_graph(graph).eval()(x).numpy()


def _check(graph: Graph[FloatOp], absorbed: Graph[FloatOp], beta: Sequence[float]) -> None:
    verify_graph(absorbed)
    np.testing.assert_allclose(absorbed.constants["1.bias"], beta, atol=1e-5)
    x = torch.rand(2, 4, 6, 6, generator=torch.Generator().manual_seed(0)) * 5.9 - 2.95
    x[:, 2] *= 3  # nothing is absorbed there
    np.testing.assert_allclose(_run(absorbed, x), _run(graph, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "behind",
    [
        (nn.Conv2d(4, 3, 3),),
        (nn.Conv2d(4, 3, 3, bias=False), nn.BatchNorm2d(3)),
        (nn.Conv2d(4, 6, 2, groups=2, bias=False),),
        (nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)),
        (nn.AvgPool2d(3), nn.Conv2d(4, 2, 1)),
    ],
    ids=["conv", "norm", "grouped", "flat", "pool"],
)
def test_through_a_relu(behind: tuple[nn.Module, ...]) -> None:
    torch.manual_seed(0)
    graph = _network(nn.ReLU(), *behind)
    _check(graph, absorb_bias(graph), [5 - 2, 1, 0, 9 - 7.5])


def test_a_bound_moves_too_and_is_never_passed() -> None:
    torch.manual_seed(0)
    graph = _network(nn.ReLU6(), nn.Conv2d(4, 3, 3))
    absorbed = absorb_bias(graph)
    (bounded,) = (node for node in absorbed.nodes if isinstance(node.op, ops.ChannelClamp))
    high = absorbed.constants[bounded.inputs[2].name]
    np.testing.assert_allclose(high, [4, 6, 6, 0], atol=1e-5)
    _check(graph, absorbed, [5 - 2, 1, 0, 9 - 6])


def test_borders_are_padded_with_zero_so_that_nothing_is_absorbed_unless_asked() -> None:
    torch.manual_seed(0)
    graph = _network(nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1))
    assert absorb_bias(graph) is graph
    absorbed = absorb_bias(graph, across_borders=True)
    x = torch.zeros(1, 4, 6, 6)
    difference = np.abs(_run(absorbed, x) - _run(graph, x))[0].max(axis=0)
    assert difference[1:-1, 1:-1].max() < 1e-5
    assert difference[0].min() > 1e-3


@pytest.mark.parametrize("between", [(), (nn.LeakyReLU(),), (nn.Hardtanh(-1, 3),)], ids=repr)
def test_other_activations_absorb_nothing(between: tuple[nn.Module, ...]) -> None:
    graph = _network(*between, nn.Conv2d(4, 3, 3))
    assert absorb_bias(graph) is graph


def test_a_channel_that_hardly_varied_is_absorbed_whole() -> None:
    """With variance << eps the deviation is far below gamma."""
    graph = _network(nn.ReLU(), nn.Conv2d(4, 3, 1))
    constants = {**graph.constants, "1.running_var": np.full(4, 1e-16, np.float32)}
    absorbed = absorb_bias(Graph(graph.inputs, graph.outputs, graph.nodes, constants))
    np.testing.assert_allclose(absorbed.constants["1.bias"], 0, atol=1e-3)
