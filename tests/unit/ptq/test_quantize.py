"""quantize: which tensors get parameters, and from which data."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.graph import Graph, Node
from intact.model import Dynamic
from intact.numerics.formats import Int
from intact.observers import MinMax, MovingAverage, Mse, Observer, choose_params
from intact.ptq import Nearest, Observations, PtqRule, merge, observe, quantize, quantize_from
from intact.ptq import samples as calibration
from tests.unit.ptq.networks import conv_relu_linear, real, tokens_and_heads, transposed

_INT8 = Nearest(Int(8, narrow=True))
_RULES = [PtqRule(weight=_INT8, activation=MinMax(Int(8)))]
_X = torch.randn(12, 2, 4, 4, generator=torch.Generator().manual_seed(0))
_IDS = torch.tensor([[0, 1], [4, 2], [3, 3]])


def _rules(observer: Observer) -> list[PtqRule]:
    return [PtqRule(weight=_INT8, activation=observer)]


def test_weights_and_observed_values_get_parameters_and_no_others():
    model = quantize(conv_relu_linear(), _RULES, [_X])
    assert set(model.weights) == {"conv.weight", "fc.weight"}
    assert set(model.activations) == {"x", "relu", "fc"}  # conv is fused, flat shares


def test_activations_cover_what_was_seen():
    model = quantize(conv_relu_linear(), _RULES, [_X])
    weight = torch.from_numpy(model.graph.constants["conv.weight"])
    relu = torch.nn.functional.conv2d(_X, weight).relu()
    expected = choose_params(0.0, relu.max().item(), Int(8), symmetric=False)
    np.testing.assert_allclose(model.activations["relu"].scale, expected.scale, rtol=1e-5)
    assert model.activations["x"] == choose_params(_X.min().item(), _X.max().item(), Int(8), False)


def test_the_rule_of_a_node_decides_on_its_weight_and_output():
    rules = [
        PtqRule(match="fc", weight=Nearest(Int(4, narrow=True))),
        PtqRule(match="x", activation=MinMax(Int(16), symmetric=True)),
        *_RULES,
    ]
    model = quantize(conv_relu_linear(), rules, [_X])
    assert model.weights["fc.weight"].params.format == Int(4, narrow=True)
    assert "fc" not in model.activations
    assert model.activations["x"].format == Int(16)
    assert model.activations["relu"].format == Int(8)


def test_a_rule_that_matches_nothing_is_an_error_before_data_are_read():
    with pytest.raises(ValueError, match="fc2"):
        quantize(conv_relu_linear(), [PtqRule(match="fc2")], iter(()))


def test_without_an_observer_no_data_are_read():
    rules = [PtqRule(weight=_INT8, activation=Dynamic(Int(8)))]
    model = quantize(conv_relu_linear(), rules)
    assert set(model.activations) == {"x", "relu", "fc"}
    assert set(model.activations.values()) == {Dynamic(Int(8))}


def test_indices_are_not_observed_and_constants_use_their_own_range():
    model = quantize(tokens_and_heads(), [PtqRule(match="masked"), *_RULES], [_IDS])
    assert set(model.activations) == {"embed", "place", "position", "squared"}
    assert model.activations["position"] == choose_params(-1.0, 3.0, Int(8), symmetric=False)


def test_a_mask_of_minus_infinity_stays_float():
    graph = tokens_and_heads()
    seen = observe(graph, [PtqRule(match="masked"), *_RULES], [_IDS])
    statistics = {**seen.statistics, "masked": seen.statistics["squared"]}
    assert "mask" not in quantize_from(graph, _RULES, Observations(statistics, {})).activations


def test_layers_that_share_a_weight_must_agree():
    x = real("x", -1, 3)
    weight = real("tied", 3, 3)
    first = Node(ops.Linear(), (x, weight), real("first", -1, 3))
    second = Node(ops.Linear(), (first.output, weight), real("second", -1, 3))
    constants = {"tied": np.eye(3, dtype=np.float32)}
    graph = Graph((x,), (second.output,), (first, second), constants)

    assert set(quantize(graph, [PtqRule(weight=_INT8)]).weights) == {"tied"}
    with pytest.raises(ValueError, match='"first" and "second" share the weight "tied"'):
        quantize(graph, [PtqRule(match="first", weight=_INT8), PtqRule()])


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_transposed_convolution_has_a_scale_for_each_output_channel(groups):
    model = quantize(transposed(groups), [PtqRule(weight=_INT8)])
    quantized = model.weights["up.weight"]
    weight = model.graph.constants["up.weight"]
    assert quantized.codes.shape == weight.shape
    assert quantized.params.scale.shape == (1, 2, 1, 1)
    largest = np.abs(weight).max(axis=(0, 2, 3))
    np.testing.assert_allclose(quantized.params.scale.ravel(), largest / 127, rtol=1e-6)
    assert np.abs(quantized.dequantize() - weight).max() <= quantized.params.scale.max() / 2 + 1e-6


def test_weights_that_are_not_finite_are_refused():
    graph = conv_relu_linear()
    graph.constants["fc.weight"][0, 0] = np.nan
    with pytest.raises(CalibrationError, match=r'"fc\.weight"'):
        quantize(graph, [PtqRule(weight=_INT8)])


@pytest.mark.parametrize(
    "observer",
    [MinMax(Int(8)), MovingAverage(Int(8), decay=0.8), Mse(Int(8))],
    ids=lambda observer: type(observer).__name__,
)
@settings(max_examples=10)
@given(cuts=st.lists(st.integers(1, 11), max_size=4, unique=True).map(sorted))
def test_the_result_does_not_depend_on_the_batches(observer, cuts):
    graph = conv_relu_linear()
    whole = quantize(graph, _rules(observer), [_X]).activations
    assert quantize(graph, _rules(observer), torch.tensor_split(_X, cuts)).activations == whole


@pytest.mark.parametrize("observer", [MovingAverage(Int(8), decay=0.8), Mse(Int(8))])
def test_values_with_samples_inside_another_axis_do_not_depend_on_the_batches(observer):
    rules = [PtqRule(match="masked"), *_rules(observer)]
    whole = quantize(tokens_and_heads(), rules, [_IDS]).activations
    assert quantize(tokens_and_heads(), rules, _IDS.split(1)).activations == whole


def test_small_pieces_give_what_one_piece_gives(monkeypatch):
    whole = quantize(conv_relu_linear(), _RULES, [_X]).activations
    monkeypatch.setattr(calibration, "_PIECE", 5 * 32)
    pieces = quantize(conv_relu_linear(), _RULES, _X.split(7)).activations
    for name, params in whole.items():
        np.testing.assert_allclose(params.scale, pieces[name].scale, rtol=1e-5)


def test_workers_that_share_the_samples_find_what_one_finds():
    graph = conv_relu_linear()
    parts = [observe(graph, _RULES, [part]) for part in (_X[:6], _X[6:])]
    merged = quantize_from(graph, _RULES, merge(*parts))
    whole = quantize(graph, _RULES, [_X])
    for name, params in whole.activations.items():
        np.testing.assert_allclose(params.scale, merged.activations[name].scale, rtol=1e-6)


def test_statistics_of_other_values_do_not_merge():
    graph = conv_relu_linear()
    rules = [PtqRule(match="fc"), *_RULES]
    with pytest.raises(ValueError, match="fc"):
        merge(observe(graph, _RULES, [_X]), observe(graph, rules, [_X]))


def test_missing_statistics_are_an_error():
    with pytest.raises(CalibrationError, match='"x"'):
        quantize_from(conv_relu_linear(), _RULES, Observations({}, {}))


def test_progress_counts_samples(monkeypatch):
    monkeypatch.setattr(calibration, "_PIECE", 5 * 32)
    seen: list[int] = []
    quantize(conv_relu_linear(), _RULES, _X.split(4), lambda *told: seen.append(told[1]))
    assert seen == [5, 10, 12]


def _fails(batches: list[Tensor | tuple[Tensor, ...]]) -> str:
    with pytest.raises(CalibrationError) as error:
        quantize(conv_relu_linear(), _RULES, batches)
    return str(error.value)


def test_no_samples_are_an_error():
    assert "no calibration samples" in _fails([])
    assert "no calibration samples" in _fails([_X[:0]])


def test_a_wrong_shape_names_batch_input_and_both_shapes():
    message = _fails([_X, _X[:, :1]])
    assert 'batch 1, input "x"' in message
    assert "expected shape (N, 2, 4, 4) with N = 12, got (12, 1, 4, 4)" in message


def test_a_sample_without_its_batch_axis_is_an_error():
    assert "expected shape (N, 2, 4, 4), got (2, 4, 4)" in _fails([_X[0]])


def test_a_wrong_dtype_names_both():
    assert "expected dtype float32, got torch.float64" in _fails([_X.double()])


def test_pairs_of_input_and_target_are_refused_with_advice():
    message = _fails([(_X, torch.zeros(12))])
    assert "2 tensors" in message
    assert "x (N, 2, 4, 4)" in message
    assert "(x for x, _ in loader)" in message


def test_what_is_no_tensor_is_named():
    assert "not a dict" in _fails([{"x": _X}])
    assert "list of ['ndarray']" in _fails([[_X.numpy()]])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_names_value_and_sample(bad):
    x = _X.clone()
    x[7, 1, 2, 3] = bad
    message = _fails(list(x.split(5)))
    assert '"x" is not finite at calibration sample 7' in message


def test_a_value_that_overflows_inside_is_named():
    with pytest.raises(CalibrationError, match='"masked" is not finite at calibration sample 0'):
        quantize(tokens_and_heads(), _RULES, [_IDS])


def test_large_numbers_whose_sum_overflows_are_fine():
    x = torch.full((4, 2, 4, 4), 3e38)
    model = quantize(conv_relu_linear(), [PtqRule(match="x", activation=MinMax(Int(8)))], [x])
    assert model.activations["x"].scale == pytest.approx(3e38 / 255)
