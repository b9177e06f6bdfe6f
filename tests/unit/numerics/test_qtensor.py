"""Codes and what they mean: error bounds, exact zero, shapes, and parameters that cannot be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.numerics.arrays import F32
from intact.numerics.formats import E4M3, Binary, Format, Int, MidRise, PowerOfTwo, Ternary
from intact.numerics.granularity import Granularity, PerChannel, PerGroup, PerTensor, scale_shape
from intact.numerics.qtensor import CodebookTensor, QuantParams, ScaledTensor, bound_code

scales = st.floats(2.0**-20, 2.0**10, width=32)


def scalar(number: float) -> F32:
    return np.array(number, np.float32)


@st.composite
def params(draw: st.DrawFn) -> QuantParams:
    format = draw(st.sampled_from([Int(8), Int(4), Int(8, signed=False), Int(16), Int(2)]))
    zero_point = draw(st.one_of(st.none(), st.integers(format.qmin, format.qmax)))
    return QuantParams(
        format, scalar(draw(scales)), None if zero_point is None else np.array(zero_point)
    )


@given(params(), st.lists(st.floats(0, 1), min_size=1))
def test_error_is_at_most_half_a_scale_in_range(p: QuantParams, shares: list[float]) -> None:
    assert isinstance(p.format, Int)
    low = float(p.scale) * (p.format.qmin - int(p.offset))
    high = float(p.scale) * (p.format.qmax - int(p.offset))
    real = (low + (high - low) * np.array(shares)).astype(np.float32)
    error = np.abs(p.dequantize(p.quantize(real)).astype(np.float64) - real)
    # real / scale and the product are rounded to float32: 2**-24 of up to 2**16 codes each.
    assert error.max() <= float(p.scale) * (0.5 + 2.0**-6)


@given(params())
def test_zero_is_exact(p: QuantParams) -> None:
    assert p.quantize(scalar(0.0)) == p.offset
    assert p.dequantize(p.quantize(np.zeros((2, 3)))).tolist() == [[0.0] * 3] * 2


@given(params())
def test_quantize_undoes_dequantize(p: QuantParams) -> None:
    codes = p.format.codes()
    assert (p.quantize(p.dequantize(codes)) == codes).all()


@given(params())
def test_out_of_range_saturates(p: QuantParams) -> None:
    codes = p.quantize(np.array([-np.inf, -1e30, 1e30, np.inf]))
    assert isinstance(p.format, Int)
    assert codes.tolist() == [p.format.qmin] * 2 + [p.format.qmax] * 2


def test_ties_go_to_the_even_distance_from_the_zero_point() -> None:
    p = QuantParams(Int(8), scalar(0.5), np.array(1))
    assert p.quantize(np.array([-0.75, -0.25, 0.25, 0.75])).tolist() == [-1, 1, 1, 3]


def test_nan_is_an_error() -> None:
    with pytest.raises(ValueError, match="NaN"):
        QuantParams(Int(8), scalar(0.5), np.array(1)).quantize(np.array([np.nan]))


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(0), PerChannel(1), PerGroup(3)])
@pytest.mark.parametrize("shape", [(4, 6), (2, 6, 3, 3)])
@pytest.mark.parametrize("asymmetric", [False, True])
def test_each_group_has_its_own_scale(
    granularity: Granularity, shape: tuple[int, ...], asymmetric: bool
) -> None:
    rng = np.random.default_rng(0)
    shape_of_scales = scale_shape(shape, granularity)
    scale = rng.uniform(0.01, 1, shape_of_scales).astype(np.float32)
    zero_point = rng.integers(-20, 20, shape_of_scales) if asymmetric else None
    p = QuantParams(Int(8), scale, zero_point)
    codes = rng.integers(-128, 128, shape).astype(np.int8)
    real = p.dequantize(codes)
    for index in np.ndindex(shape):
        group = tuple(i * s // n for i, s, n in zip(index, scale.shape, shape, strict=True))
        offset = 0 if zero_point is None else zero_point[group]
        assert real[index] == np.float32(codes[index] - offset) * scale[group]
    assert (p.quantize(real) == codes).all()


@pytest.mark.parametrize("format", [E4M3, Binary(), MidRise(3), Ternary(), PowerOfTwo(4)], ids=str)
def test_every_format_scales(format: Format) -> None:
    p = QuantParams(format, scalar(0.25))
    codes = format.codes()
    assert (p.dequantize(codes) == format.decode(codes) / 4).all()
    assert p.quantize(p.dequantize(codes)).tobytes() == codes.tobytes()


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf, 1e-60])
def test_scales_are_positive_and_finite(scale: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        QuantParams(Int(8), np.array([1.0, scale], np.float64))


def test_zero_points_have_the_shape_of_the_scales() -> None:
    with pytest.raises(ValueError, match="zero points of shape"):
        QuantParams(Int(8), np.ones((4, 1), np.float32), np.zeros(4, np.int64))


def test_params_are_equal_by_content() -> None:
    symmetric = QuantParams(Int(8), scalar(0.5))
    assert symmetric == QuantParams(Int(8), np.array(0.5), np.array(0))
    assert symmetric != QuantParams(Int(8), scalar(0.5), np.array(1))
    assert symmetric != QuantParams(Int(8), scalar(0.25))
    assert symmetric != QuantParams(Int(7), scalar(0.5))
    assert symmetric != QuantParams(Int(8), np.full((1, 1), 0.5, np.float32))
    assert symmetric != 0.5


def test_a_constant_without_axes_stays_an_array() -> None:
    params = QuantParams(Int(8), np.asarray(0.5, np.float32), np.asarray(3))
    codes = params.quantize(np.asarray(2.0, np.float32))
    assert isinstance(params.dequantize(codes), np.ndarray)
    assert params.dequantize(codes) == 2


def test_scaled_tensor() -> None:
    p = QuantParams(Int(4), np.array([[0.5], [2.0]], np.float32))
    tensor = ScaledTensor(np.array([[-8, 7], [1, 0]], np.int8), p)
    assert tensor.shape == (2, 2)
    assert tensor.dequantize().tolist() == [[-4.0, 3.5], [2.0, 0.0]]


def test_scaled_tensor_needs_scales_that_fit() -> None:
    with pytest.raises(ValueError, match="do not divide"):
        ScaledTensor(np.zeros((2, 4), np.int8), QuantParams(Int(4), np.ones((2, 3), np.float32)))


def test_codebook_tensor() -> None:
    codebook = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], np.float32)
    tensor = CodebookTensor(codebook, np.array([2, 0, 1], np.uint8), (2, 3))
    assert tensor.dequantize().tolist() == [[4, 5, 0], [1, 2, 3]]


def test_codebook_tensor_must_fill_its_shape() -> None:
    with pytest.raises(ValueError, match="2 subvectors of length 3 do not fill"):
        CodebookTensor(np.zeros((4, 3), np.float32), np.zeros(2, np.uint8), (7,))


@pytest.mark.parametrize(
    ("bound", "scale", "code"),
    [(6.0, 0.5, 15), (-1.0, 0.4, 0), (6.0, 1e-40, 3 + 2**31), (0.0, 1e-40, 3)],
)
def test_bounds_of_activations_have_codes(bound: float, scale: float, code: int) -> None:
    """-1 / 0.4 is -2.5, which goes away from zero; codes of huge numbers stay integers."""
    assert bound_code(bound, QuantParams(Int(8), scalar(scale), np.array(3))) == code
