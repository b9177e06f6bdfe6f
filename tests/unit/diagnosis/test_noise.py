import math

import numpy as np
import pytest
import torch
from torch import nn

import intact
from intact import metrics
from intact.capture.export import capture
from intact.diagnosis.noise import LayerNoise, Tally, bars, layer_noise
from intact.diagnosis.walk import Walk
from intact.errors import FormatError
from intact.exec import reference
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.int_ops import Program
from intact.lower.lower import lower
from intact.numerics.formats import Int
from intact.observers import MinMax
from intact.passes.inference import for_inference
from intact.ptq import Nearest, PtqRule, quantize

SAMPLES = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 4, 4, 4)).astype(np.float32))
W8A8 = PtqRule(weight=Nearest(Int(8, narrow=True)), activation=MinMax(Int(8)))
W2A8 = PtqRule(match="1", weight=Nearest(Int(2, narrow=True)), activation=MinMax(Int(8)))


class Square(nn.Module):
    """Images of 4 channels and 4x4 pixels throughout: no shape tells how they are stored."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 4, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) + x


def made(*rules: PtqRule) -> tuple[Graph[FloatOp], Program]:
    graph = for_inference(capture(Square().eval(), (SAMPLES[:1],)))
    return graph, lower(quantize(graph, rules, [SAMPLES]))


def test_the_last_layer_has_the_noise_of_the_outputs() -> None:
    graph, program = made(W8A8)
    noises = layer_noise(graph, program, [SAMPLES])
    inputs = {program.inputs[0].name: SAMPLES.numpy()}
    expected = reference.load(graph)(inputs)[graph.outputs[0].name]
    outputs = reference.load(program)(inputs)[program.outputs[0].name]
    assert noises[-1].sqnr_db == pytest.approx(metrics.sqnr_db(outputs, expected), abs=1e-3)


def test_layers_come_in_order_with_the_names_of_the_float_network() -> None:
    graph, program = made(W8A8)
    names = [noise.name for noise in layer_noise(graph, program, [SAMPLES])]
    assert names == ["x", "layers.0", "layers.2", "layers.3", "add"]
    assert set(names) <= {value.name for value in graph.values()}


def test_own_noise_of_eight_bits_is_small_whatever_came_before() -> None:
    coarse = PtqRule(match="layers.0", weight=W2A8.weight, activation=W2A8.activation)
    graph, program = made(coarse, W8A8)
    noises = {noise.name: noise for noise in layer_noise(graph, program, [SAMPLES])}
    assert noises["layers.0"].own_sqnr_db < 15
    assert noises["layers.2"].sqnr_db < 15
    assert min(noises[name].own_sqnr_db for name in ("x", "layers.2", "layers.3", "add")) > 30


def test_the_input_has_the_noise_of_its_rounding() -> None:
    graph, program = made(W8A8)
    noise = layer_noise(graph, program, [SAMPLES])[0]
    params = next(node.output.params for node in program.nodes if node.output.params is not None)
    rounded = params.dequantize(params.quantize(SAMPLES.numpy()))
    expected = metrics.sqnr_db(rounded, SAMPLES.numpy())
    assert noise.sqnr_db == noise.own_sqnr_db == pytest.approx(expected, abs=1e-6)


def test_the_noise_does_not_depend_on_how_samples_are_cut() -> None:
    graph, program = made(W8A8)
    whole = layer_noise(graph, program, [SAMPLES])
    parts = layer_noise(graph, program, SAMPLES.split(3))
    for a, b in zip(whole, parts, strict=True):
        assert a.sqnr_db == pytest.approx(b.sqnr_db, abs=1e-9)


def test_weights_alone_have_noise_too() -> None:
    graph, program = made(PtqRule(weight=Nearest(Int(4, narrow=True))))
    noises = {noise.name: noise for noise in layer_noise(graph, program, [SAMPLES])}
    assert 10 < noises["layers.0"].own_sqnr_db < 30
    assert noises["add"].own_sqnr_db > 100  # float summed in another order


def test_a_tally_adds_up() -> None:
    assert (Tally(3.0, 1.0) + Tally(97.0, 0.0)).db == pytest.approx(20.0)
    assert Tally().db == math.inf


def test_bars_are_longer_with_more_noise_and_dark_for_the_own_part() -> None:
    text = bars([LayerNoise("a", "QConv2d", 20.0, 40.0), LayerNoise("bb", "QAdd", 60.0, math.nan)])
    assert text.splitlines() == [
        "a   ██████████░░░░░░░░░░            20.0 dB  own 40.0 dB",
        "bb                                  60.0 dB  own    none",
    ]


class Reshaped(nn.Module):
    """A classifier whose output is a reshaped layer, as in files of torch's ONNX exporter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.classifier = nn.Linear(64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(x.flatten(1)).reshape(-1, 3)


def test_a_reshaped_layer_is_that_of_the_outputs() -> None:
    network = Reshaped().eval()
    made = intact.quantize(network, [SAMPLES])
    graph = for_inference(capture(network, (SAMPLES[:1],)))
    assert Walk(graph, made.program).output_layers == ("classifier",)
    found = intact.diagnose(network, made, [SAMPLES])
    assert 20 < found.sqnr_db < 60
    assert found.layers[-1].name == "classifier"


def test_another_network_with_an_input_of_the_same_name_is_an_error() -> None:
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval()
    made = intact.quantize(Reshaped().eval(), [SAMPLES])
    with pytest.raises(FormatError, match="not made from this model"):
        intact.diagnose(other, made, [SAMPLES])
