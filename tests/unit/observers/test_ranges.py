"""Each observer's range, worked by hand or compared with a slow computation."""

import numpy as np
import pytest
import torch
from torch import Tensor

from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.observers import Entropy, MinMax, MovingAverage, Mse, Observer, Percentile


def _params(observer: Observer, x: Tensor) -> QuantParams:
    statistics = observer.begin()
    statistics.update(x)
    return statistics.params()


def _range(observer: Observer, x: Tensor) -> tuple[float, float]:
    params = _params(observer, x)
    ends = np.array([params.format.qmin, params.format.qmax], params.format.storage)
    low, high = params.dequantize(ends).tolist()
    return low, high


def _error(observer: Observer, x: Tensor) -> float:
    params = _params(observer, x)
    return float(np.mean((params.dequantize(params.quantize(x.numpy())) - x.numpy()) ** 2))


def _normal(count: int) -> Tensor:
    return torch.randn(1, count, generator=torch.Generator().manual_seed(0))


def test_minmax_covers_everything():
    assert _range(MinMax(Int(8)), torch.tensor([[-1.0], [1.55]])) == pytest.approx((-1, 1.55))


def test_a_moving_average_weighs_the_newest_most():
    """Decay 1/2, highs 4, 2, 1: weights 1/4, 1/2, 1 of 7/4, so (1 + 1 + 1) * 4/7."""
    x = torch.tensor([[4.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    low, high = _range(MovingAverage(Int(8), decay=0.5), x)
    assert (low, high) == (0, pytest.approx(12 / 7))


def test_a_moving_average_without_memory_is_the_last_sample():
    x = torch.tensor([[4.0, 0.0], [2.0, 0.0]])
    assert _range(MovingAverage(Int(8), decay=0.0), x) == (0, pytest.approx(2))


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_outside_of_zero_to_one_is_refused(decay):
    with pytest.raises(ValueError, match="decay"):
        MovingAverage(Int(8), decay=decay)


@pytest.mark.parametrize("q", [90.0, 99.0, 99.9])
def test_percentiles_are_those_of_numpy(q):
    x = _normal(100_000)
    low, high = _range(Percentile(Int(16), q=q), x)
    expected = np.percentile(x.numpy(), [100 - q, q])
    np.testing.assert_allclose((low, high), expected, atol=x.abs().max() / 1000)


def test_a_symmetric_percentile_is_that_of_magnitudes():
    x = _normal(100_000)
    _, high = _range(Percentile(Int(16), symmetric=True, q=95.0), x)
    assert high == pytest.approx(np.percentile(x.abs().numpy(), 95), abs=1e-2)


def test_the_hundredth_percentile_is_minmax():
    x = _normal(1000)
    assert _params(Percentile(Int(8), q=100.0), x) == _params(MinMax(Int(8)), x)


@pytest.mark.parametrize("q", [50.0, 100.1])
def test_a_percentile_outside_of_the_tails_is_refused(q):
    with pytest.raises(ValueError, match="q must be"):
        Percentile(Int(8), q=q)


@pytest.mark.parametrize(("bits", "steps"), [(2, 0.996), (3, 0.586), (4, 0.335)])
def test_mse_finds_the_best_uniform_quantizer_of_a_normal(bits, steps):
    """Steps of the optimal uniform quantizer of N(0, 1): Max 1960, table II (even levels).

    Ours has a level at 0 and one level less on one side, so that the step is a little smaller.
    """
    scale = float(_params(Mse(Int(bits)), _normal(400_000)).scale)
    assert scale == pytest.approx(steps, rel=0.12)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
def test_mse_is_as_good_as_a_full_search_over_symmetric_ranges(bits, symmetric):
    x = _normal(20_000)
    x[0, :3] = torch.tensor([20.0, -9.0, 15.0])
    limits = x.abs().max() * torch.linspace(0.05, 1, 200)
    errors = []
    for limit in limits.tolist():
        statistics = MinMax(Int(bits), symmetric).begin()
        statistics.update(x.clamp(-limit, limit))
        params = statistics.params()
        error = params.dequantize(params.quantize(x.numpy())) - x.numpy()
        errors.append(float(np.mean(error**2)))
    assert _error(Mse(Int(bits), symmetric), x) <= 1.02 * min(errors)


def test_entropy_cuts_off_an_outlier_and_minmax_does_not():
    x = _normal(100_000)
    x[0, 0] = 100.0
    _, high = _range(Entropy(Int(8)), x)
    assert 3 < high < 20
    assert _range(MinMax(Int(8)), x)[1] > 90


def test_entropy_keeps_a_uniform_range():
    x = torch.linspace(0, 3, 100_000)[None]
    assert _range(Entropy(Int(8)), x) == (0, pytest.approx(3, rel=0.01))


def test_entropy_is_for_up_to_eight_bits():
    with pytest.raises(ValueError, match="int16"):
        Entropy(Int(16))


@pytest.mark.parametrize("observer", [MinMax, MovingAverage, Percentile, Mse, Entropy])
def test_symmetric_observers_need_signed_formats(observer):
    with pytest.raises(ValueError, match="uint8"):
        observer(Int(8, signed=False), symmetric=True)
