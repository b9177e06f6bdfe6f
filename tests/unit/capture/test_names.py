"""Values and constants are called what the user calls them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from intact.capture.export import capture
from tests.unit.capture.checks import Function, draw


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.conv1(x))
        return self.act(functional.relu(self.conv2(y) + x) + x)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 1)
        self.layer1 = nn.Sequential(Block(), Block())
        self.head = nn.Linear(3, 2)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.layer1(self.stem(image)).mean((2, 3)))


def test_module_paths_and_function_names() -> None:
    graph = capture(Network(), draw((3, 4, 4)))
    block = ["conv1", "act", "conv2.pad", "conv2", "add", "relu", "add_1", "act_1"]
    assert [node.name for node in graph.nodes] == [
        "stem",
        *(f"layer1.{i}.{name}" for i in range(2) for name in block),
        "mean",
        "head",
    ]
    assert [value.name for value in graph.inputs] == ["image"]
    assert [value.name for value in graph.outputs] == ["head"]


def test_parameters_have_their_state_dict_names_and_values() -> None:
    model = Network()
    graph = capture(model, draw((3, 4, 4)))
    state = model.state_dict()
    assert set(graph.constants) == set(state)
    for name, array in graph.constants.items():
        np.testing.assert_array_equal(array, state[name].numpy())


def test_a_module_called_twice_is_counted_and_its_parameters_stand_once() -> None:
    shared = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shared = shared

        def forward(self, x: Tensor) -> Tensor:
            return self.shared(self.shared(x))

    graph = capture(Twice(), draw((4,)))
    names = [node.name for node in graph.nodes]
    assert names == ["shared.0", "shared.1", "shared.0_1", "shared.1_1"]
    assert set(graph.constants) == {"shared.0.weight", "shared.0.bias"}


def test_tied_weights_are_one_constant() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(7, 4)
            self.head = nn.Linear(4, 7, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, tokens: Tensor) -> Tensor:
            return self.head(self.embed(tokens))

    graph = capture(Tied(), torch.zeros(2, 3, dtype=torch.int64))
    assert set(graph.constants) == {"embed.weight"}


def test_literals_are_named_after_their_reader() -> None:
    graph = capture(Function(lambda x: (x * 2 + 1) * 3), draw((4,)))
    assert set(graph.constants) == {"mul.constant", "add.constant", "mul_1.constant"}


def test_tensors_made_in_forward_are_literals_too() -> None:
    graph = capture(Function(lambda x: x * torch.tensor([1.0, 2.0])), draw((2,)))
    assert set(graph.constants) == {"mul.constant"}


def test_parametrized_layers_keep_their_path() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))
    graph = capture(nn.Sequential(layer), draw((3, 4, 4)))
    assert [node.name for node in graph.nodes] == ["0"]
    assert set(graph.constants) == {"0.parametrizations.weight.0", "0.bias"}


def test_all_names_differ() -> None:
    class Clash(nn.Module):
        """A parameter, an input and functions of the same names."""

        def __init__(self) -> None:
            super().__init__()
            self.add = nn.Parameter(torch.ones(4))
            self.relu = nn.ReLU()

        def forward(self, mul: Tensor) -> Tensor:
            return self.relu(torch.relu(mul * 2) + self.add)

    graph = capture(Clash(), draw((4,)))
    names = [value.name for value in graph.values()]
    assert len(names) == len(set(names)) == 7
    assert {"mul", "add", "relu"} < set(names)
    assert "add" in graph.constants


def double(x: Tensor) -> Tensor:
    return x * 2


OUTPUTS = [
    ("tensor", double, ["mul"]),
    ("tuple", lambda x: (x.relu(), double(x)), ["relu", "mul"]),
    ("list-nested", lambda x: [x.relu(), (double(x),)], ["relu", "mul"]),
    ("dict", lambda x: {"loc": x.relu(), "conf": double(x)}, ["loc", "conf"]),
    (
        "dict-nested",
        lambda x: {"boxes": [x.relu(), x.tanh()], "aux": {"out": double(x)}},
        ["boxes.0", "boxes.1", "aux.out"],
    ),
    ("none", lambda x: (x.relu(), None), ["relu"]),
    ("input", lambda x: (x, x.relu()), ["inputs_0", "relu"]),
    ("twice", lambda x: (y := x.relu(), y), ["relu", "relu"]),
]


@pytest.mark.parametrize(
    ("function", "expected"), [case[1:] for case in OUTPUTS], ids=[case[0] for case in OUTPUTS]
)
def test_outputs_of_every_structure(
    function: Callable[[Tensor], object], expected: list[str]
) -> None:
    graph = capture(Function(function), draw((4,)))
    assert [value.name for value in graph.outputs] == expected
