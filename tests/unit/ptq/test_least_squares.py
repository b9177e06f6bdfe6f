"""LeastSquares: no scale of a group makes a smaller squared error than the one it finds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.numerics.arrays import F64, Array
from intact.numerics.formats import Int
from intact.numerics.granularity import Granularity, PerChannel, PerGroup, PerTensor
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.ptq import LeastSquares, Nearest, WeightMethod
from intact.ptq.least_squares import octav

GRANULARITIES = (PerTensor(), PerChannel(), PerGroup(4))


def _errors(method: WeightMethod, w: torch.Tensor) -> F64:
    """Squared error of each group."""
    quantized = method(w, None)
    assert isinstance(quantized, ScaledTensor)
    squares = np.square(quantized.dequantize().astype(np.float64) - w.numpy())
    return np.asarray(squares.reshape(quantized.params.scale.size, -1).sum(axis=1))


@pytest.mark.parametrize("granularity", GRANULARITIES, ids=repr)
@pytest.mark.parametrize("symmetric", [True, False])
@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), bits=st.integers(2, 8), power=st.sampled_from([0.5, 1, 3]))
def test_error_is_never_above_that_of_the_whole_range(
    granularity: Granularity, symmetric: bool, seed: int, bits: int, power: float
) -> None:
    w = torch.randn(3, 8, generator=torch.Generator().manual_seed(seed))
    w = w.sign() * w.abs() ** power
    format = Int(bits, narrow=symmetric)
    nearest = _errors(Nearest(format, granularity, symmetric), w)
    found = _errors(LeastSquares(format, granularity, symmetric), w)
    assert (found <= nearest * (1 + 1e-6) + 1e-12).all()


def _best_of_all_scales(w: Array, format: Int) -> float:
    scales = np.linspace(0.02, 1, 4000) * np.abs(w).max() / format.qmax

    def error(scale: float) -> float:
        params = QuantParams(format, np.asarray(scale, np.float32))
        return float(np.square(params.dequantize(params.quantize(w)) - w).sum())

    return min(map(error, scales))


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [9, 200])
def test_error_is_that_of_a_search_over_all_scales(bits: int, size: int) -> None:
    w = torch.randn(6, size, generator=torch.Generator().manual_seed(size)) ** 3
    format = Int(bits, narrow=True)
    best = np.array([_best_of_all_scales(row.numpy(), format) for row in w])
    found = _errors(LeastSquares(format), w)
    assert found.sum() <= 1.02 * best.sum()
    assert (found <= 1.1 * best).all()


def test_one_outlier_is_left_out_of_the_range() -> None:
    # Codes -7..7: with 8 in the range the step is 8/7 and each 0.5 becomes 0: 1000 * 0.25 = 250.
    # With the step 0.5 they are exact and only 8 errs: (8 - 3.5)**2 = 20.25.
    w = torch.full((1, 1001), 0.5)
    w[0, 0] = 8
    method = LeastSquares(Int(4, narrow=True))
    assert _errors(Nearest(Int(4, narrow=True)), w)[0] == 250
    assert _errors(method, w)[0] <= 20.25


def test_threshold_of_octav_is_a_fixed_point_worked_by_hand() -> None:
    # 4 bits: qmax 8, 1 / (12 * 64) = 1/768. With 8 alone outside,
    # s = 8 / (1000/768 + 1) = 3.472..., and 0.5 < s < 8: it stays outside.
    w = np.full((1, 1001), 0.5, np.float32)
    w[0, 0] = -8
    assert octav(w, 8)[0] == pytest.approx(8 / (1000 / 768 + 1))
    # Nothing is gained by clipping at 16 bits: the threshold goes to the end of the range.
    assert octav(w, 2**15)[0] == pytest.approx(8, rel=1e-4)


def test_a_group_of_zeros_among_others_has_scale_one() -> None:
    w = torch.tensor([[0.0, 0.0], [3.0, -1.0]])
    assert LeastSquares(Int(8))(w).params.scale[0, 0] == 1
