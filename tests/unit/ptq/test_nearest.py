"""Scales and codes of weights, worked by hand."""

import numpy as np
import pytest
import torch

from intact.numerics.formats import BF16, E4M3, FP16, Binary, Int, MidRise, PowerOfTwo, Ternary
from intact.numerics.granularity import PerChannel, PerGroup, PerTensor
from intact.ptq import LeastSquaresInGroups, Nearest, NearestInGroups

_W = torch.tensor([[-1.27, 0.5, 0.005, 0.015], [0.0, 2.54, -0.01, 0.03]])


def test_symmetric_int8_by_channel():
    quantized = Nearest(Int(8, narrow=True))(_W)
    np.testing.assert_allclose(quantized.params.scale, [[0.01], [0.02]], rtol=1e-6)
    assert quantized.params.zero_point is None
    assert quantized.codes[:, :2].tolist() == [[-127, 50], [0, 127]]


def test_ties_round_to_even():
    weight = torch.tensor([[127.0, 0.5, 1.5, -0.5, -2.5]])
    assert Nearest(Int(8, narrow=True))(weight).codes.tolist() == [[127, 0, 2, 0, -2]]


def test_one_scale_for_the_tensor():
    quantized = Nearest(Int(8, narrow=True), PerTensor())(_W)
    np.testing.assert_allclose(quantized.params.scale, [[0.02]], rtol=1e-6)


def test_a_scale_for_each_group():
    quantized = Nearest(Int(4, narrow=True), PerGroup(2))(_W)
    np.testing.assert_allclose(
        quantized.params.scale, np.array([[1.27, 0.015], [2.54, 0.03]]) / 7, rtol=1e-6
    )
    assert quantized.codes.tolist() == [[-7, 3, 2, 7], [0, 7, -2, 7]]


def test_asymmetric_int8_uses_both_ends():
    quantized = Nearest(Int(8), PerTensor(), symmetric=False)(torch.tensor([[-1.0, 2.0]]))
    assert quantized.params.offset.tolist() == [[-43]]
    assert quantized.codes.tolist() == [[-128, 127]]


@pytest.mark.parametrize("format", [FP16, BF16], ids=str)
def test_sixteen_bit_floats_are_a_cast(format):
    quantized = Nearest(format)(_W)
    assert (quantized.params.scale == 1).all()
    np.testing.assert_array_equal(quantized.codes, _W.numpy().astype(format.storage))


def test_eight_bit_floats_reach_the_largest_value():
    quantized = Nearest(E4M3)(_W)
    np.testing.assert_allclose(quantized.params.scale[:, 0], np.array([1.27, 2.54]) / 448)
    assert quantized.codes[0, 0] == -448


def test_binary_has_the_mean_magnitude():
    quantized = Nearest(Binary())(torch.tensor([[-1.0, 0.0, 3.0, -4.0]]))
    assert quantized.dequantize().tolist() == [[-2, 2, 2, -2]]


def test_ternary_drops_small_weights_and_averages_the_others():
    """mean|w| = 1, threshold 0.7: 0.6 goes, scale (1.4 + 1.2 + 0.8) / 3."""
    quantized = Nearest(Ternary())(torch.tensor([[1.4, -1.2, 0.6, -0.8]]))
    assert quantized.codes.tolist() == [[1, -1, 0, -1]]
    assert quantized.params.scale.item() == pytest.approx(3.4 / 3)


def test_powers_of_two_start_at_the_largest_weight():
    quantized = Nearest(PowerOfTwo(4))(torch.tensor([[-3.0, 1.6, 0.7, 0.01]]))
    assert quantized.dequantize().tolist() == [[-3, 1.5, 0.75, 0]]


@pytest.mark.parametrize("in_groups", [NearestInGroups, LeastSquaresInGroups])
def test_groups_fall_back_to_channels_where_the_size_does_not_divide(in_groups):
    method = in_groups(Int(4, narrow=True), 32)
    assert method(torch.ones(8, 64)).params.scale.shape == (8, 2)
    assert method(torch.ones(8, 64, 3, 3)).params.scale.shape == (8, 2, 1, 1)
    assert method(torch.ones(8, 3, 3, 3)).params.scale.shape == (8, 1, 1, 1)


def test_mid_rise_reaches_the_largest_weight():
    quantized = Nearest(MidRise(2))(torch.tensor([[-3.0, 1.6, 0.7, 0.01]]))
    assert quantized.dequantize().tolist() == [[-3, 1, 1, 1]]


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="symmetric"):
        Nearest(FP16, symmetric=False)
    with pytest.raises(ValueError, match="uint8"):
        Nearest(Int(8, signed=False))
    with pytest.raises(ValueError, match="0"):
        NearestInGroups(Int(4), 0)
    with pytest.raises(ValueError, match="0"):
        LeastSquaresInGroups(Int(4), 0)


def test_a_granularity_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="multiple of the group size"):
        Nearest(Int(4), PerGroup(3))(_W)


def test_channels_of_another_axis():
    assert Nearest(Int(8), PerChannel(axis=1))(_W).params.scale.shape == (1, 4)
