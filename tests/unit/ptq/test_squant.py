"""SQuant: sums of rounding errors are small, and no code is far from the nearest."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from intact.numerics.arrays import F64
from intact.numerics.formats import FP16, Int
from intact.numerics.granularity import PerTensor, stretch
from intact.numerics.qtensor import ScaledTensor
from intact.ptq import LeastSquares, Nearest, NearestInGroups, SQuant

_SHAPES = st.sampled_from([(3, 4), (1, 8), (5, 12, 3, 3), (4, 1, 3, 3), (2, 4, 5), (2, 64, 1, 1)])
_ROUNDING = 1e-5  # of float32 in w / scale


def _weight(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _errors(quantized: ScaledTensor, weight: torch.Tensor) -> F64:
    """In steps, (channels, kernels, taps)."""
    params, shape = quantized.params, quantized.shape
    levels = quantized.codes - stretch(params.offset, shape).astype(np.float64)
    errors = levels - weight.double().numpy() / stretch(params.scale, shape)
    return np.asarray(errors.reshape(shape[0], shape[1], -1))


def test_errors_by_hand() -> None:
    # Scale 1. The first kernel errs by -0.45, -0.3, -0.4 and 0: the sum -1.15 takes one code
    # up, the first. Then the kernels err by -0.15 and -0.45, the channel by -0.6: one more code
    # goes up, that of the largest error of the second kernel.
    weight = torch.tensor([[[1.45, 2.3, -2.6, 7.0], [0.1, 0.2, 0.15, 0.0]]])
    method = Nearest(Int(4, narrow=True))
    assert method(weight).codes.tolist() == [[[1, 2, -3, 7], [0, 0, 0, 0]]]
    assert SQuant(method)(weight).codes.tolist() == [[[2, 2, -3, 7], [0, 1, 0, 0]]]


@pytest.mark.parametrize("symmetric", [True, False])
@given(shape=_SHAPES, seed=st.integers(0, 1000), bits=st.integers(2, 8))
def test_sums_are_bounded_and_codes_near(
    symmetric: bool, shape: tuple[int, ...], seed: int, bits: int
) -> None:
    weight = _weight(shape, seed)
    method = Nearest(Int(bits, narrow=symmetric), symmetric=symmetric)
    found, nearest = SQuant(method)(weight), method(weight)
    errors = _errors(found, weight)
    moved = found.codes.astype(int) - nearest.codes
    assert np.abs(moved).max() <= 1
    saturated = np.abs(_errors(nearest, weight)).max() > 0.5 + _ROUNDING
    assert saturated or np.abs(errors.sum(axis=(1, 2))).max() <= 0.5 + _ROUNDING
    assert saturated or np.abs(errors.sum(axis=2)).max() < 1 + _ROUNDING


@given(shape=_SHAPES, seed=st.integers(0, 1000))
def test_weights_beyond_the_range_do_not_make_channels_worse(
    shape: tuple[int, ...], seed: int
) -> None:
    weight = _weight(shape, seed) ** 3
    method = LeastSquares(Int(3, narrow=True))
    found, nearest = SQuant(method)(weight), method(weight)
    assert np.abs(found.codes).max() <= 3
    assert np.abs(found.codes.astype(int) - nearest.codes).max() <= 1
    before, after = (np.abs(_errors(q, weight).sum(axis=(1, 2))) for q in (nearest, found))
    assert (after <= np.maximum(before, 0.5) + _ROUNDING).all()


def test_groups_have_sums_of_their_own() -> None:
    weight = _weight((4, 64, 3, 3), 0)
    found = SQuant(NearestInGroups(Int(4, narrow=True), 32))(weight)
    sums = _errors(found, weight).sum(axis=2).reshape(4, 2, 32).sum(axis=2)
    assert np.abs(sums).max() <= 0.5 + _ROUNDING


def test_one_scale_for_the_tensor() -> None:
    weight = _weight((4, 8, 3, 3), 0)
    found = SQuant(Nearest(Int(4, narrow=True), PerTensor()))(weight)
    assert np.abs(_errors(found, weight).sum(axis=(1, 2))).max() <= 0.5 + _ROUNDING


def test_other_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="rounding to integers"):
        SQuant(Nearest(FP16))(_weight((3, 4), 0))
