"""Well-known networks: captured, they compute what the originals compute."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from tests.architectures import ARCHITECTURES, Architecture
from tests.unit.capture.checks import assert_same


@cache
def original(architecture: Architecture) -> tuple[nn.Module, tuple[Tensor, ...], Graph[FloatOp]]:
    """The network, its example and its graph."""
    model = architecture.build()
    example = architecture.example(torch.Generator().manual_seed(0))
    return model, example, capture(model, example)


def without_dropout(graph: Graph[FloatOp]) -> Graph[FloatOp]:
    """With probability 0 everywhere, so that training is deterministic."""
    nodes = (
        replace(node, op=ops.Dropout(0.0)) if isinstance(node.op, ops.Dropout) else node
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes))


def larger(x: Tensor) -> Tensor:
    """Another batch size than the example's."""
    return torch.cat([x, x.flip(-1), x[:1]])


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_captured_network_equals_the_original(architecture: Architecture) -> None:
    """In evaluation, in training (running statistics too), and in evaluation after it."""
    model, example, graph = original(architecture)
    captured = from_graph(without_dropout(graph))
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    inputs = tuple(larger(x) for x in example)
    for training in (False, True, False):
        model.train(training)
        captured.train(training)
        with torch.no_grad():
            assert_same(captured(*inputs), model(*inputs))


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_names_are_unique_and_parameters_keep_theirs(architecture: Architecture) -> None:
    model, _, graph = original(architecture)
    names = [value.name for value in graph.values()]
    assert len(names) == len(set(names))
    state = model.state_dict()
    modules = {name for name, _ in model.named_modules()}
    for node in graph.nodes:
        if isinstance(node.op, ops.Conv | ops.BatchNorm | ops.Linear | ops.LayerNorm):
            assert node.inputs[1].name in state
            assert node.name in modules or node.name.rpartition(".")[0] in modules
