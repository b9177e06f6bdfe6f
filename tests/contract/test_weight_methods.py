"""What every weight method promises: `WeightMethod`."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from intact.ptq import WeightMethod
from tests.contract.cases import WEIGHT_METHODS

every_method = pytest.mark.parametrize("method", WEIGHT_METHODS, ids=repr)
_SHAPES = st.sampled_from([(3, 4), (1, 8), (5, 12, 3, 3), (4, 1, 3, 3), (2, 4, 5)])


def _weight(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@every_method
@given(shape=_SHAPES, seed=st.integers(0, 1000))
def test_codes_have_the_shape_of_the_weight_and_lie_on_the_grid(method, shape, seed):
    quantized = method(_weight(shape, seed), None)
    assert quantized.codes.shape == shape
    assert quantized.dequantize().dtype == np.float32
    format = quantized.params.format
    assert quantized.codes.dtype == format.storage
    assert np.isin(format.decode(quantized.codes), format.decode(format.codes())).all()


@every_method
@given(shape=_SHAPES, seed=st.integers(0, 1000))
def test_the_error_is_smaller_than_the_weight(method, shape, seed):
    weight = _weight(shape, seed)
    error = method(weight, None).dequantize() - weight.numpy()
    assert np.square(error).sum() < np.square(weight.numpy()).sum()


@every_method
def test_a_weight_of_zeros_has_scale_one(method):
    quantized = method(torch.zeros(3, 4), None)
    assert (quantized.params.scale == 1).all()


@every_method
def test_the_weight_is_left_alone(method: WeightMethod):
    weight = _weight((3, 4), 0)
    before = weight.clone()
    method(weight.requires_grad_(), None)
    assert torch.equal(weight, before)


@every_method
def test_a_power_of_two_scales_only_the_scales(method):
    weight = _weight((3, 4), 0)
    small, large = method(weight, None), method(weight * 4, None)
    if (small.params.scale != 1).any():  # a cast has no scale
        np.testing.assert_array_equal(small.codes, large.codes)
    np.testing.assert_allclose(large.dequantize(), small.dequantize() * 4)


@every_method
def test_tiny_weights_have_normal_scales(method):
    quantized = method(_weight((3, 4), 0) * 1e-42, None)
    assert (quantized.params.scale >= np.finfo(np.float32).tiny).all()
