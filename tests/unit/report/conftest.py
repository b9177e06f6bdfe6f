"""A tiny classifier of 1x8x8 pictures, quantized, with samples and labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

import intact
from intact import QuantizedNetwork
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph


@dataclass(frozen=True)
class Made:
    """A network before and after, and 40 labelled samples in batches of 8."""

    graph: Graph[FloatOp]
    network: QuantizedNetwork
    samples: Sequence[tuple[Tensor, Tensor]]


@pytest.fixture(scope="session")
def made() -> Made:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.Flatten(), nn.Linear(64, 3)
    ).eval()
    x, y = torch.randn(40, 1, 8, 8), torch.randint(0, 3, (40,))
    batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, 40, 8)]
    graph = intact.to_graph(module, x[:1])
    return Made(graph, intact.quantize(graph, batches), batches)
