"""Layers that read codes of their own."""

import torch
from torch import nn

from intact.capture.export import capture
from intact.ir import float_ops as ops
from intact.passes.inference import for_inference
from intact.passes.input_codes import input_codes


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
        self.left, self.right, self.last = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.first(x))
        x = self.left(x) + self.right(x)
        return self.last(nn.functional.max_pool2d(x, 2).flatten(1))


def test_a_shared_value_gets_a_node_and_a_value_of_its_own_none() -> None:
    graph = capture(Shared(), torch.zeros(1, 3, 4, 4))
    found, read = input_codes(graph, for_inference(graph), ["first", "left", "last"])
    sources = {node.name: node.inputs[0].name for node in found.nodes}
    added = [node for node in found.nodes if node.op == ops.Clamp(None, None)]
    assert [node.name for node in added] == ["left.input"]
    assert sources["left"] == "left.input"
    assert sources["left.input"] == sources["right"]  # the BatchNorm's output
    add = next(node.name for node in graph.nodes if isinstance(node.op, ops.Add))
    assert read == {"first": graph.inputs[0].name, "left": "left.input", "last": add}
