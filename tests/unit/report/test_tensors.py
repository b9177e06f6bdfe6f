import numpy as np
import pytest
import torch
from torch import nn

import intact
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.passes.inference import for_inference
from intact.report.contents import Tensor
from intact.report.running import batches_of, count_values
from intact.report.tensors import MOST_CHANNELS, Counted, activations, grids, most_channels, weights
from tests.unit.report.conftest import Made


def by_name(tensors: "list[Tensor]") -> dict[str, Tensor]:
    return {tensor.name: tensor for tensor in tensors}


def test_every_real_value_with_codes_has_a_grid(made: Made) -> None:
    found = by_name(list(activations(made.network.program, made.network.certificate, {})))
    assert list(found) == ["input", "1", "2", "4"]  # the output of the first is its ReLU's
    for tensor in found.values():
        low, high = tensor.seen or (np.nan, np.nan)
        assert tensor.grid.levels == 256
        assert tensor.grid.low <= max(low, tensor.grid.low) < min(high, tensor.grid.high)
        assert tensor.histogram is None
    assert found["1"].grid.low == 0.0


def test_a_grid_reaches_from_the_lowest_code_to_the_highest() -> None:
    counts = np.array([1, 0, 2, 1])
    edges = np.arange(-2.0, 2.0), np.arange(-1.0, 3.0)
    counted = Counted(counts, *edges, low=-1.5, high=1.5)
    histogram = counted.histogram()
    assert (histogram.low, histogram.width) == (-2.0, 1.0)
    assert histogram.shares == (0.25, 0.0, 0.5, 0.25)


def test_shares_and_clipping_of_activations_are_counted(made: Made) -> None:
    graph = for_inference(made.graph)
    program = made.network.program
    batches = list(batches_of(made.samples, program.inputs))
    counted = count_values(graph, {name for _, name in grids(program)}, batches, lambda *_: None)
    found = by_name(list(activations(program, None, counted)))
    x = np.concatenate([batch.inputs[0] for batch in batches])
    tensor = found["input"]
    assert tensor.seen == pytest.approx((x.min(), x.max()))
    assert tensor.histogram is not None
    assert sum(tensor.histogram.shares) == pytest.approx(1)
    end = tensor.histogram.low + tensor.histogram.width * len(tensor.histogram.shares)
    assert tensor.histogram.low <= x.min() < x.max() <= end
    half, grid = tensor.grid.step / 2, tensor.grid
    outside = ((x < grid.low - half) | (x > grid.high + half)).mean()
    assert tensor.clipped == pytest.approx(outside, abs=2 / x.size)


def test_weights_are_compared_with_those_of_the_float_network(made: Made) -> None:
    graph = for_inference(made.graph)
    found = by_name(list(weights(made.network.program, graph)))
    assert list(found) == ["0.weight", "2.weight", "4.weight"]
    for name, tensor in found.items():
        stored = graph.constants[name]
        assert tensor.channel_count == len(stored)
        assert tensor.seen == pytest.approx((stored.min(), stored.max()))
        assert tensor.clipped == 0.0
        assert 30 < (tensor.sqnr_db or 0) < 60
        widths = [max(-c.minimum, c.maximum) for c in tensor.channels]
        assert widths == sorted(widths, reverse=True)
        for channel in tensor.channels:
            row = stored[channel.index].ravel()
            assert channel.minimum == pytest.approx(row.min())
            assert channel.median == pytest.approx(np.median(row))
            assert channel.grid_high == pytest.approx(np.abs(row).max(), rel=1e-4)


def test_weights_that_were_changed_before_are_not_compared(made: Made) -> None:
    graph = for_inference(made.graph)
    other = {name: array[::-1] for name, array in graph.constants.items()}
    changed = type(graph)(graph.inputs, graph.outputs, graph.nodes, other)
    found = by_name(list(weights(made.network.program, changed)))
    assert found["0.weight"].sqnr_db is None
    assert found["0.weight"].seen is None
    assert len(found["0.weight"].channels) == 6


def test_of_many_channels_the_widest_and_the_narrowest_are_kept() -> None:
    from intact.report.tensors import _channels

    values = np.arange(1, 1001, dtype=np.float32)[:, None] * np.array([-1, 0, 1], np.float32)
    params = QuantParams(Int(8), np.full((1000, 1), 0.5, np.float32))
    found = _channels(values, params, MOST_CHANNELS)
    assert len(found) == MOST_CHANNELS
    assert (found[0].index, found[-1].index) == (999, 0)
    assert (found[0].grid_low, found[0].grid_high) == (-64.0, 63.5)
    assert [most_channels(weights) for weights in (0, 50, 600, 9000)] == [64, 64, 16, 8]
    assert (found[0].minimum, found[0].median, found[0].maximum) == (-1000.0, 0.0, 1000.0)


def test_a_channel_of_zeros_does_not_stretch_the_grid() -> None:
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        layer.weight[1] = 0
    made = intact.quantize(nn.Sequential(layer).eval(), [torch.ones(2, 4)])
    (tensor,) = weights(made.program, None)
    assert tensor.grid.high < 1
    assert all(channel.grid_high < 1 for channel in tensor.channels)
