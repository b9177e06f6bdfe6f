"""What the capture tests share: a function as a module, and the comparison with the original."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, with_batch

TOLERANCE = 1e-5  # of the output's largest magnitude


class Function(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> object:
        return self.function(*inputs)


def draw(*shapes: tuple[int, ...], batch: int = 2, seed: int = 0) -> tuple[Tensor, ...]:
    """Normal tensors; shapes are without the batch axis."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(batch, *shape, generator=generator) for shape in shapes)


def randomize(model: nn.Module) -> nn.Module:
    """Parameters and statistics that show whether they are used; evaluation mode."""
    generator = torch.Generator().manual_seed(7)
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        else:
            tensor.copy_(0.5 * torch.randn(tensor.shape, generator=generator))
    return model.eval()


def leaves(outputs: object) -> list[Tensor]:
    """The tensors of a model's result in order."""
    match outputs:
        case Tensor():
            return [outputs]
        case dict():
            return [leaf for value in outputs.values() for leaf in leaves(value)]
        case None:
            return []
        case _:
            assert isinstance(outputs, Sequence)
            return [leaf for value in outputs for leaf in leaves(value)]


def assert_same(actual: object, expected: object) -> None:
    for ours, theirs in zip(leaves(actual), leaves(expected), strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        ours, theirs = ours.detach(), theirs.detach()
        scale = float(theirs.abs().max()) if theirs.numel() else 0.0
        torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE * max(scale, 1e-3))


def assert_captured(model: nn.Module, *shapes: tuple[int, ...], batch: int = 3) -> Graph[FloatOp]:
    """The graph of an example of batch 2, after checking its module at another batch size."""
    graph = capture(model, draw(*shapes))
    captured = from_graph(graph).eval()
    inputs = draw(*shapes, batch=batch, seed=1)
    with torch.no_grad():
        actual, expected = captured(*inputs), model(*inputs)
    assert_same(actual, expected)
    for value, tensor in zip(graph.outputs, leaves(expected), strict=True):
        assert with_batch(value.shape, batch) == tuple(tensor.shape)
    return graph


def kinds(graph: Graph[FloatOp]) -> list[str]:
    """The operations' class names in order."""
    return [type(node.op).__name__ for node in graph.nodes]
