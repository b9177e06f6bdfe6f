"""What is left of a separable block, and what it computes."""

import numpy as np
import torch
from torch import nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.capture.penalty import depthwise_penalty
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.passes.separable import separable
from tests.unit.passes.networks import op_names


def block(depthwise: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU6(),
        nn.Conv2d(4, 4, 3, padding=1, groups=4 if depthwise else 2, bias=False), nn.BatchNorm2d(4),
        nn.ReLU6(),
        nn.Conv2d(4, 5, 1, bias=False), nn.BatchNorm2d(5), nn.ReLU6(),
    )  # fmt: skip
    for norm in model:
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -1, 1)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    return model.eval()


def captured(model: nn.Module) -> Graph[FloatOp]:
    return capture(model, torch.zeros(1, 3, 6, 6))


def test_no_norm_and_no_activation_behind_the_depthwise_convolution() -> None:
    graph = separable(captured(block()))
    assert op_names(graph) == ["Conv", "BatchNorm", "Relu", "Conv", "Conv", "BatchNorm", "Relu"]
    kept = separable(captured(block()), keep_relu6=True)
    assert op_names(kept) == ["Conv", "BatchNorm", "Clamp", "Conv", "Conv", "BatchNorm", "Clamp"]


def test_it_computes_what_the_equation_says() -> None:
    model = block()
    x = torch.randn(2, 3, 6, 6) * 10
    relu = nn.functional.relu
    with torch.no_grad():
        y = relu(model[1](model[0](x)))
        expected = relu(model[7](model[6](model[4](model[3](y)))))
        found = from_graph(separable(captured(model))).eval()(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_other_convolutions_keep_their_norm_and_activation() -> None:
    graph = captured(block(depthwise=False))
    assert op_names(separable(graph)) == [name.replace("Clamp", "Relu") for name in op_names(graph)]


def test_it_trains_and_the_penalty_shrinks_depthwise_weights_alone() -> None:
    graph = separable(captured(block()))
    module = from_graph(graph)
    weights = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    penalty = depthwise_penalty(module, graph)
    assert penalty.item() == np.float32((weights["3.weight"] ** 2).sum())
    penalty.backward()
    torch.optim.SGD(module.parameters(), 0.25).step()
    for name, parameter in module.named_parameters():
        factor = 0.5 if name == "3.weight" else 1
        torch.testing.assert_close(parameter.detach(), weights[name] * factor)


def test_a_network_without_depthwise_convolutions_has_no_penalty() -> None:
    graph = captured(block(depthwise=False))
    assert depthwise_penalty(from_graph(graph), graph).item() == 0
