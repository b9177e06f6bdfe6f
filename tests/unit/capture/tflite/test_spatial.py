"""Pools, means, softmax and resizing have the codes of TFLite's reference kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.capture.tflite.building import File
from tests.unit.capture.tflite.litert import assert_equal

KINDS = ("int8", "uint8", "int16")
SCALES = {"int8": 0.05, "uint8": 0.05, "int16": 0.0002}
ZERO_POINTS = {"int8": st.integers(-128, 127), "uint8": st.integers(0, 255), "int16": st.just(0)}
seeds = st.integers(0, 2**32 - 1)
sides = st.integers(1, 9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@given(data=st.data())
@settings(max_examples=20)
def test_pools(code: str, kind: str, data: st.DataObject) -> None:
    kernel, stride, padding = data.draw(
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1))
    )
    space = [kernel - 1 + data.draw(sides) for _ in range(2)]
    out = [-(-(n - padding * (kernel - 1)) // stride) for n in space]
    file, zero_point = File(), data.draw(ZERO_POINTS[kind])
    x = file.input((1, *space, 3), kind, SCALES[kind], zero_point)
    y = file.output((1, *out, 3), kind, SCALES[kind], zero_point)
    file.operator(
        code, [x], [y], "Pool2DOptions", Padding=padding, StrideW=stride, StrideH=stride,
        FilterWidth=kernel, FilterHeight=kernel,
        FusedActivationFunction=data.draw(st.integers(0, 3)),
    )  # fmt: skip
    assert_equal(file, np.random.default_rng(data.draw(seeds)))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=25)
def test_means(kind: str, data: st.DataObject) -> None:
    shape = (1, *(data.draw(sides) for _ in range(3)))
    axes = data.draw(st.lists(st.sampled_from([1, 2, 3, -1, -2]), min_size=1, max_size=3))
    keep, dropped = data.draw(st.booleans()), {axis % 4 for axis in axes}
    if keep:
        left = [1 if axis in dropped else n for axis, n in enumerate(shape)]
    else:
        left = [n for axis, n in enumerate(shape) if axis not in dropped]
    file = File()
    x = file.input(shape, kind, SCALES[kind], data.draw(ZERO_POINTS[kind]))
    scale = SCALES[kind] * data.draw(st.floats(0.2, 2))
    y = file.output(left, kind, scale, data.draw(ZERO_POINTS[kind]))
    file.operator("MEAN", [x, file.indices(axes)], [y], "ReducerOptions", KeepDims=keep)
    assert_equal(file, np.random.default_rng(data.draw(seeds)))


@pytest.mark.parametrize("kind", KINDS)
@given(
    seed=seeds,
    rows=st.integers(1, 3),
    length=st.integers(1, 40),
    scale=st.floats(0.01, 1),
    beta=st.floats(0.25, 2),
)
@settings(max_examples=20)
def test_softmax(kind: str, seed: int, rows: int, length: int, scale: float, beta: float) -> None:
    file = File()
    level = 1 / 256 if kind == "int16" else 1
    x = file.input((1, rows, length), kind, scale * level, 0)
    unit, zero_point = {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (2**-15, 0)}[kind]
    y = file.output((1, rows, length), kind, unit, zero_point)
    file.operator("SOFTMAX", [x], [y], "SoftmaxOptions", Beta=beta)
    assert_equal(file, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", ["int8", "int16"])
@given(data=st.data())
@settings(max_examples=20)
def test_bilinear_resizing(kind: str, data: st.DataObject) -> None:
    file, aligned = File(), data.draw(st.booleans())
    space, size = ([data.draw(sides) for _ in range(2)] for _ in range(2))
    x = file.input((1, *space, 2), kind, SCALES[kind])
    y = file.output((1, *size, 2), kind, SCALES[kind])
    file.operator(
        "RESIZE_BILINEAR", [x, file.indices(size)], [y], "ResizeBilinearOptions",
        AlignCorners=aligned, HalfPixelCenters=not aligned,
    )  # fmt: skip
    assert_equal(file, np.random.default_rng(data.draw(seeds)))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=10)
def test_nearest_resizing_by_whole_factors(kind: str, data: st.DataObject) -> None:
    file, centred = File(), data.draw(st.booleans())
    space = [data.draw(sides) for _ in range(2)]
    size = [n * data.draw(st.integers(1, 3)) for n in space]
    x = file.input((1, *space, 2), kind, SCALES[kind])
    y = file.output((1, *size, 2), kind, SCALES[kind])
    file.operator(
        "RESIZE_NEAREST_NEIGHBOR", [x, file.indices(size)], [y],
        "ResizeNearestNeighborOptions", HalfPixelCenters=centred,
    )  # fmt: skip
    assert_equal(file, np.random.default_rng(data.draw(seeds)))
