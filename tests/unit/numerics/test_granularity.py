"""Shapes of scales, and the two views that make all granularities one code path."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.numerics.granularity import (
    Granularity,
    PerChannel,
    PerGroup,
    PerTensor,
    groups,
    scale_shape,
    stretch,
)


@pytest.mark.parametrize(
    ("shape", "granularity", "expected"),
    [
        ((64, 32, 3, 3), PerTensor(), (1, 1, 1, 1)),
        ((), PerTensor(), ()),
        ((64, 32, 3, 3), PerChannel(), (64, 1, 1, 1)),
        ((64, 32, 3, 3), PerChannel(1), (1, 32, 1, 1)),
        ((64, 32, 3, 3), PerChannel(-1), (1, 1, 1, 3)),
        ((64, 128), PerGroup(32), (64, 4)),
        ((64, 32, 3, 3), PerGroup(32), (64, 1, 1, 1)),
        ((64, 128), PerGroup(128), (64, 1)),
        ((64, 128), PerGroup(1), (64, 128)),
        ((64, 128), PerGroup(16, axis=-1), (64, 8)),
        ((64, 128), PerGroup(16, axis=0), (4, 1)),
    ],
)
def test_scale_shape(
    shape: tuple[int, ...], granularity: Granularity, expected: tuple[int, ...]
) -> None:
    assert scale_shape(shape, granularity) == expected


@pytest.mark.parametrize("size", [0, -1])
def test_a_group_is_not_empty(size: int) -> None:
    with pytest.raises(ValueError, match=f"at least one channel, not {size}"):
        PerGroup(size)


@pytest.mark.parametrize("size", [3, 256])
def test_group_size_must_divide(size: int) -> None:
    with pytest.raises(ValueError, match=f"not a multiple of the group size {size}"):
        scale_shape((64, 128), PerGroup(size))


@pytest.mark.parametrize("granularity", [PerChannel(2), PerChannel(-3), PerGroup(4, axis=2)])
def test_axis_must_exist(granularity: Granularity) -> None:
    with pytest.raises(ValueError, match="has no axis"):
        scale_shape((64, 128), granularity)


@st.composite
def shapes_and_granularities(draw: st.DrawFn) -> tuple[tuple[int, ...], Granularity]:
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=2, max_size=4)))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    divisors = [size for size in range(1, 7) if shape[axis] % size == 0]
    per_group = st.builds(PerGroup, st.sampled_from(divisors), st.just(axis))
    return shape, draw(st.one_of(st.just(PerTensor()), st.just(PerChannel(axis)), per_group))


@given(shapes_and_granularities())
def test_stretched_scales_give_each_element_the_scale_of_its_group(
    case: tuple[tuple[int, ...], Granularity],
) -> None:
    shape, granularity = case
    scales = scale_shape(shape, granularity)
    names = np.arange(np.prod(scales)).reshape(scales)
    stretched = np.broadcast_to(stretch(names, shape), shape)
    for index in np.ndindex(shape):
        group = tuple(i * s // n for i, s, n in zip(index, scales, shape, strict=True))
        assert stretched[index] == names[group]


@given(shapes_and_granularities())
def test_groups_reduce_over_the_elements_of_one_scale(
    case: tuple[tuple[int, ...], Granularity],
) -> None:
    shape, granularity = case
    scales = scale_shape(shape, granularity)
    x = np.random.default_rng(0).permutation(int(np.prod(shape))).reshape(shape)
    largest = groups(x, scales).max(axis=tuple(range(1, 2 * len(shape), 2)))
    assert largest.shape == scales
    members = np.broadcast_to(stretch(largest, shape), shape)
    assert (members >= x).all()
    assert set(largest.ravel()) <= set(x.ravel())


def test_groups_is_a_view() -> None:
    x = np.zeros((4, 6))
    assert np.shares_memory(groups(x, (4, 2)), x)


def test_scalar_scale_fits_any_rank() -> None:
    assert stretch(np.array(2.0), (3, 4, 5)).shape == ()


@pytest.mark.parametrize("scales", [(3,), (1, 1, 1)])
def test_scales_of_another_rank_do_not_fit(scales: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        stretch(np.ones(scales), (4, 6))


@pytest.mark.parametrize("scales", [(3, 1), (1, 4), (8, 1)])
def test_scales_must_divide_the_shape(scales: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not divide"):
        stretch(np.ones(scales), (4, 6))
