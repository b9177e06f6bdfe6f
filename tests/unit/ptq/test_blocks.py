import torch
from torch import nn

from intact.capture.export import capture
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.extract import extract
from intact.passes.inference import for_inference
from intact.ptq.blocks import Block, blocks


class Net(nn.Module):
    """A layer, a residual block, two layers whose outputs both leave the network."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 1)
        self.a = nn.Conv2d(2, 2, 1)
        self.b = nn.Conv2d(2, 2, 1)
        self.fc = nn.Linear(2, 3)
        self.top = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both outputs."""
        x = torch.relu(self.stem(x))
        x = x + self.b(torch.relu(self.a(x)))
        y = self.fc(x.mean((2, 3)))
        return y, self.top(y)


def captured() -> Graph[FloatOp]:
    return for_inference(capture(Net(), (torch.zeros(2, 1, 4, 4),)))


def test_blocks_lie_between_single_values() -> None:
    names = [(block.inputs, block.nodes, block.outputs) for block in blocks(captured())]
    assert names == [
        (("x",), ("stem", "relu"), ("relu",)),
        (("relu",), ("a", "relu_1", "b", "add"), ("add",)),
        (("add",), ("mean",), ("mean",)),
        (("mean",), ("fc",), ("fc",)),
        (("fc",), ("top",), ("top",)),
    ]


def test_each_block_runs_by_itself() -> None:
    graph = captured()
    parts = [extract(graph, block.inputs, block.outputs) for block in blocks(graph)]
    assert [node.name for part in parts for node in part.nodes] == [n.name for n in graph.nodes]


class Masked(nn.Module):
    """Reads its second input in both layers, with heads along the batch's axis between them."""

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(N, 4, 3), (N, 4, 3) to the same."""
        x = torch.relu(x * mask)
        y = x.reshape(-1, 3)
        return torch.sigmoid(y).reshape(-1, 4, 3) * mask


def test_inputs_are_read_on_both_sides_and_heads_stay_inside() -> None:
    sample = torch.randn(2, 4, 3)
    graph = for_inference(capture(Masked(), (sample, sample)))
    first, second, third = blocks(graph)
    assert first == Block(("x", "mask"), ("mul", "relu"), ("relu",))
    assert (second.inputs, len(second.nodes)) == (("relu",), 3)
    assert third.inputs == (*second.outputs, "mask")
