"""What every observer promises: `Observer` and `Statistics`."""

import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intact.errors import CalibrationError
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.observers import MinMax, Observer
from tests.contract.cases import OBSERVERS

every_observer = pytest.mark.parametrize("observer", OBSERVERS, ids=repr)
_SEED = st.integers(0, 2**32 - 1)
_CUTS = st.lists(st.integers(1, 11), max_size=3, unique=True).map(sorted)


def _samples(seed: int, count: int = 12) -> Tensor:
    """Samples whose ranges differ by powers of ten, one-sided in every third."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 3, 4, 4, generator=generator)
    x *= 10 ** torch.randn(count, 1, 1, 1, generator=generator)
    return x if seed % 3 else x.relu()


def _observe(observer: Observer, *batches: Tensor) -> QuantParams:
    statistics = observer.begin()
    for batch in batches:
        statistics.update(batch)
    return statistics.params()


@every_observer
@settings(max_examples=20)
@given(seed=_SEED, cuts=_CUTS)
def test_the_result_does_not_depend_on_how_the_data_are_cut(observer, seed, cuts):
    x = _samples(seed)
    pieces = torch.tensor_split(x, cuts)
    assert _observe(observer, *pieces) == _observe(observer, x)


@every_observer
@settings(max_examples=20)
@given(seed=_SEED, cut=st.integers(0, 12))
def test_two_half_runs_merge_into_one_run(observer, seed, cut):
    x = _samples(seed)
    halves = [observer.begin(), observer.begin()]
    for half, part in zip(halves, (x[:cut], x[cut:]), strict=True):
        half.update(part)
    assert halves[0].merge(halves[1]).params() == _observe(observer, x)


@every_observer
def test_merging_leaves_both_parts_alone(observer):
    first, second = observer.begin(), observer.begin()
    first.update(_samples(1))
    second.update(_samples(2))
    before = first.params(), second.params()
    first.merge(second)
    assert (first.params(), second.params()) == before


@every_observer
def test_statistics_of_other_settings_do_not_merge(observer):
    with pytest.raises(ValueError, match="cannot merge"):
        observer.begin().merge(MinMax(Int(2)).begin())


@every_observer
def test_params_are_for_the_whole_tensor(observer):
    params = _observe(observer, _samples(1))
    assert params.scale.shape == ()
    assert params.format == observer.format
    assert (params.zero_point is None) == observer.symmetric


@every_observer
@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e-3, 1.0, 1e30])
def test_scales_are_normal_numbers(observer, scale):
    params = _observe(observer, _samples(1).clamp(-10, 10) * scale)
    assert params.scale >= np.finfo(np.float32).tiny


@every_observer
@pytest.mark.parametrize("number", [0.0, 3.7, -3.7, 1e-6])
def test_a_constant_is_represented(observer, number):
    x = torch.full((4, 5), number)
    params = _observe(observer, x)
    error = params.dequantize(params.quantize(x.numpy())) - number
    # Percentiles end at the edge of a bin, at most 1/2048 further out.
    np.testing.assert_allclose(error, 0, atol=abs(number) / 1000)


@every_observer
@pytest.mark.parametrize("sign", [1, -1])
def test_a_one_sided_range_ends_at_zero(observer, sign):
    params = _observe(observer, sign * _samples(1).abs())
    if not observer.symmetric:
        end = params.format.qmin if sign > 0 else params.format.qmax
        assert params.offset == end


@every_observer
def test_zero_is_on_the_grid(observer):
    params = _observe(observer, _samples(1) + 5)
    assert params.dequantize(params.quantize(np.zeros(1, np.float32))) == 0


@every_observer
def test_params_without_samples_are_an_error(observer):
    with pytest.raises(CalibrationError, match="no sample"):
        observer.begin().params()


@every_observer
def test_an_empty_batch_changes_nothing(observer):
    x = _samples(1)
    assert _observe(observer, x, x[:0]) == _observe(observer, x)


@every_observer
def test_statistics_do_not_grow(observer):
    statistics = observer.begin()
    statistics.update(_samples(0))
    size = len(pickle.dumps(statistics))
    for seed in range(1, 50):
        statistics.update(_samples(seed))
    assert len(pickle.dumps(statistics)) <= size + 64


@every_observer
def test_updating_keeps_no_memory(observer):
    statistics = observer.begin()
    statistics.update(_samples(0))
    tracemalloc.start()
    try:
        for seed in range(50):
            statistics.update(_samples(seed))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 200_000


@every_observer
def test_memory_order_does_not_matter(observer):
    x = _samples(1)
    assert _observe(observer, x.to(memory_format=torch.channels_last)) == _observe(observer, x)
