"""Every recipe quantizes a network as its name says."""

import pytest
import torch
from torch import nn

from intact.capture.export import capture
from intact.errors import CalibrationError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.model import Dynamic
from intact.numerics.formats import BF16, FP16, Int
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.ptq import Gptq, Recipe, SmoothQuant, quantize
from intact.recipes import RECIPES, recipe

_X = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def graph() -> Graph[FloatOp]:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 4, 3),
        nn.Flatten(),
        nn.Linear(64, 5),
    )
    return capture(network.eval(), (_X,))


_WEIGHTS = {
    "W8A8": Int(8, narrow=True),
    "W8A8-per-tensor": Int(8, narrow=True),
    "W8A8-data-free": Int(8, narrow=True),
    "W8A8-data-free-per-tensor": Int(8, narrow=True),
    "W8A16": Int(8, narrow=True),
    "W4A8": Int(4, narrow=True),
    "W4A8-adaround": Int(4, narrow=True),
    "dynamic-int8": Int(8, narrow=True),
    "float16": FP16,
    "bfloat16": BF16,
    "W8": Int(8, narrow=True),
    "W4-g32": Int(4, narrow=True),
    "W4-g32-gptq": Int(4, narrow=True),
}
_ACTIVATIONS = {
    "W8A8": Int(8),
    "W8A8-per-tensor": Int(8),
    "W8A8-data-free": Int(8),
    "W8A8-data-free-per-tensor": Int(8),
    "W8A16": Int(16),
    "W4A8": Int(8),
    "W4A8-adaround": Int(8),
    "dynamic-int8": Int(8),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_gives_the_formats_of_its_name(graph, name):
    model = quantize(graph, recipe(name), [_X])

    assert {type(weight) for weight in model.weights.values()} == {ScaledTensor}
    assert {weight.params.format for weight in model.weights.values()} == {_WEIGHTS[name]}
    expected = {_ACTIVATIONS[name]} if name in _ACTIVATIONS else set()
    assert {params.format for params in model.activations.values()} == expected


def test_weights_have_the_scales_of_the_recipe(graph):
    def shapes(name: str) -> list[tuple[int, ...]]:
        weights = quantize(graph, recipe(name), [_X]).weights
        return [weights[f"{layer}.weight"].params.scale.shape for layer in (0, 3, 5)]

    assert shapes("W8A8") == [(32, 1, 1, 1), (4, 1, 1, 1), (5, 1)]
    assert shapes("W8A8-per-tensor") == [(1, 1, 1, 1), (1, 1, 1, 1), (1, 1)]
    assert shapes("W4-g32") == shapes("W4-g32-gptq") == [(32, 1, 1, 1), (4, 1, 1, 1), (5, 2)]


def test_sixteen_bit_activations_are_symmetric(graph):
    model = quantize(graph, recipe("W8A16"), [_X])
    params = list(model.activations.values())
    assert all(isinstance(p, QuantParams) and p.zero_point is None for p in params)


@pytest.mark.parametrize("name", ["dynamic-int8", "float16", "bfloat16", "W8", "W4-g32"])
def test_recipes_without_an_observer_need_no_data(graph, name):
    model = quantize(graph, recipe(name))
    assert all(isinstance(params, Dynamic) for params in model.activations.values())


def test_data_free_ranges_need_no_data(graph):
    assert not recipe("W8A8-data-free").needs_samples
    model = quantize(graph, recipe("W8A8-data-free"))
    assert all(isinstance(params, QuantParams) for params in model.activations.values())


def test_weights_rounded_with_data_need_them_though_activations_stay_float(graph):
    assert recipe("W4-g32-gptq").needs_samples
    with pytest.raises(CalibrationError, match="no calibration samples"):
        quantize(graph, recipe("W4-g32-gptq"))


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ValueError, match=r'"w8a8".*W8A8'):
        recipe("w8a8")


def test_an_iterator_of_samples_need_not_be_kept_in_memory() -> None:
    assert not any(RECIPES[name].rereads_samples for name in ("W8A8", "W8A8-per-tensor", "W8A16"))
    assert Recipe(rules=(), before=(SmoothQuant(),)).rereads_samples
    assert Recipe(rules=(), after=(Gptq(),)).rereads_samples
