"""Layers with weights have the codes of TFLite's reference kernels."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.capture.tflite import read
from intact.errors import UnsupportedOpError
from tests.unit.capture.tflite.building import TYPES, File
from tests.unit.capture.tflite.litert import assert_equal, differences, random_codes

KINDS = ("int8", "uint8", "int16")
SCALES = {"int8": 0.05, "uint8": 0.05, "int16": 0.0004}
ZERO_POINTS = {"int8": st.integers(-128, 127), "uint8": st.integers(0, 255), "int16": st.just(0)}
small = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)


class Net:
    """A file with one layer, and its parameters drawn by a generator."""

    def __init__(self, data: st.DataObject, kind: str) -> None:
        self.rng = np.random.default_rng(data.draw(seeds))
        self.file, self.kind = File(), kind
        self.draw = data.draw
        self.scale = SCALES[kind] * self.rng.uniform(0.5, 2)

    def zero_point(self) -> int:
        return self.draw(ZERO_POINTS[self.kind])

    def input(self, *shape: int) -> int:
        return self.file.input(shape, self.kind, self.scale, self.zero_point())

    def output(self, *shape: int, times: float) -> int:
        return self.file.output(shape, self.kind, self.scale * times, self.zero_point())

    def weight(
        self, *shape: int, channels: int = 0, per_channel: bool = True, narrow: bool = True
    ) -> int:
        kinds = {"int8": ["int8", "int4"], "uint8": ["uint8"], "int16": ["int8"]}[self.kind]
        kind = self.draw(st.sampled_from(kinds if narrow else kinds[:1]))
        legacy = kind == "uint8"
        scale = self.rng.uniform(0.01, 0.03, shape[channels] if per_channel and not legacy else 1)
        zero_point = self.zero_point() if legacy else 0
        codes = random_codes(self.rng, shape, kind)
        self.weight_scale = float(scale[0])
        return self.file.tensor(shape, kind, scale.tolist(), zero_point, axis=channels, data=codes)

    def bias(self, channels: int, *, wide: bool = True) -> int:
        codes = self.rng.integers(-3000, 3000, channels)
        kind = "int64" if self.kind == "int16" and wide else "int32"
        return self.file.tensor((channels,), kind, self.scale * self.weight_scale, data=codes)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=15)
def test_convolutions(kind: str, data: st.DataObject) -> None:
    net = Net(data, kind)
    groups, depth, multiplier = data.draw(st.tuples(st.integers(1, 2), small, small))
    kernel, stride, dilation = data.draw(st.tuples(small, st.integers(1, 3), st.integers(1, 2)))
    padding = data.draw(st.integers(0, 1))
    extent = (kernel - 1) * dilation + 1
    height, width = (extent + data.draw(small) for _ in range(2))
    x = net.input(1, height, width, groups * depth)
    w = net.weight(groups * multiplier, kernel, kernel, depth)
    wide = data.draw(st.booleans())
    b = net.bias(groups * multiplier, wide=wide)
    out = [-(-(n - padding * (extent - 1)) // stride) for n in (height, width)]
    y = net.output(1, *out, groups * multiplier, times=depth)
    net.file.operator(
        "CONV_2D", [x, w, b], [y], "Conv2DOptions", Padding=padding, StrideW=stride,
        StrideH=stride, DilationWFactor=dilation, DilationHFactor=dilation,
        FusedActivationFunction=data.draw(st.integers(0, 3)),
        QuantizedBiasType=TYPES["int64" if kind == "int16" and wide else "int32"],
    )  # fmt: skip
    assert_equal(net.file, net.rng)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=15)
def test_depthwise_convolutions(kind: str, data: st.DataObject) -> None:
    net = Net(data, kind)
    channels, multiplier, stride = data.draw(st.tuples(small, small, st.integers(1, 3)))
    height, width = data.draw(st.tuples(st.integers(3, 8), st.integers(3, 8)))
    x = net.input(1, height, width, channels)
    w = net.weight(1, 3, 2, channels * multiplier, channels=3)
    b = net.bias(channels * multiplier)
    y = net.output(1, -(-height // stride), -(-width // stride), channels * multiplier, times=2)
    net.file.operator(
        "DEPTHWISE_CONV_2D", [x, w, b], [y], "DepthwiseConv2DOptions", Padding=0, StrideW=stride,
        StrideH=stride, DepthMultiplier=multiplier, DilationWFactor=1, DilationHFactor=1,
    )  # fmt: skip
    assert_equal(net.file, net.rng)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=15)
def test_transposed_convolutions(kind: str, data: st.DataObject) -> None:
    net = Net(data, kind)
    depth, channels, kernel, stride = data.draw(st.tuples(small, small, small, st.integers(1, 3)))
    padding = data.draw(st.integers(0, 1))
    height, width = data.draw(st.tuples(small, small))
    w = net.weight(channels, kernel, kernel, depth, narrow=False)
    x = net.input(1, height, width, depth)
    out = [
        n * stride if padding == 0 else (n - 1) * stride + max(kernel, stride)
        for n in (height, width)
    ]
    y = net.output(1, *out, channels, times=depth)
    size = net.file.indices([1, *out, channels])
    net.file.operator(
        "TRANSPOSE_CONV", [size, w, x], [y], "TransposeConvOptions", Padding=padding,
        StrideW=stride, StrideH=stride,
    )  # fmt: skip
    assert_equal(net.file, net.rng)


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@given(data=st.data())
@settings(max_examples=20)
def test_fully_connected_layers(kind: str, data: st.DataObject) -> None:
    """Their float64 multipliers have fixed-point ones, but for a step or two of the sum."""
    net = Net(data, kind)
    rows, inputs, outputs = data.draw(st.tuples(small, st.integers(1, 70), st.integers(1, 20)))
    keep = data.draw(st.booleans())
    x = net.input(1, rows, inputs)
    w = net.weight(outputs, inputs, per_channel=data.draw(st.booleans()))
    b = net.bias(outputs) if data.draw(st.booleans()) else -1
    shape = (1, rows, outputs) if keep else (rows, outputs)
    y = net.output(*shape, times=inputs**0.5)
    net.file.operator(
        "FULLY_CONNECTED", [x, w, b], [y], "FullyConnectedOptions", KeepNumDims=keep,
        FusedActivationFunction=data.draw(st.integers(0, 3)),
    )  # fmt: skip
    found = differences(net.file, net.rng, samples=100)
    assert found.max() <= 1
    assert np.count_nonzero(found) <= 1 + found.size / 2000


def test_fully_connected_layers_of_16_bits_differ_by_one_code() -> None:
    rng = np.random.default_rng(0)
    file = File()
    x = file.input((1, 64), "int16", 0.0004)
    w = file.tensor((32, 64), scale=0.02, data=random_codes(rng, (32, 64), "int8"))
    y = file.output((1, 32), "int16", 0.008)
    file.operator("FULLY_CONNECTED", [x, w, -1], [y], "FullyConnectedOptions")
    found = differences(file, rng, samples=100)
    assert found.max() <= 1
    assert found.mean() < 0.004


@pytest.mark.parametrize("kind", ["int8", "int16"])
@given(data=st.data())
@settings(max_examples=15)
def test_matrix_products(kind: str, data: st.DataObject) -> None:
    net = Net(data, kind)
    rows, depth, columns = data.draw(st.tuples(small, st.integers(1, 40), small))
    turned = data.draw(st.tuples(st.booleans(), st.booleans()))
    a = net.input(1, *((depth, rows) if turned[0] else (rows, depth)))
    b = net.input(1, *((columns, depth) if turned[1] else (depth, columns)))
    y = net.output(1, rows, columns, times=4)
    net.file.operator(
        "BATCH_MATMUL", [a, b], [y], "BatchMatMulOptions", AdjX=turned[0], AdjY=turned[1]
    )
    assert_equal(net.file, net.rng)


def test_weights_of_a_fully_connected_layer_may_have_a_zero_point() -> None:
    rng, file = np.random.default_rng(0), File()
    x, y = file.input((1, 20)), file.output((1, 6), scale=0.2)
    w = file.tensor((6, 20), scale=0.02, zero_point=9, data=random_codes(rng, (6, 20), "int8"))
    file.operator("FULLY_CONNECTED", [x, w, -1], [y], "FullyConnectedOptions")
    assert_equal(file, rng)


def test_those_of_a_convolution_may_not(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 2, 2, 3)), file.output((1, 2, 2, 4))
    w = file.tensor((4, 1, 1, 3), scale=0.02, zero_point=9, data=np.ones((4, 1, 1, 3)))
    file.operator(
        "CONV_2D", [x, w, -1], [y], "Conv2DOptions", StrideW=1, StrideH=1, DilationWFactor=1,
        DilationHFactor=1,
    )  # fmt: skip
    with pytest.raises(UnsupportedOpError, match='CONV_2D "y0" has signed weights with a zero'):
        read(file.save(tmp_path / "net.tflite"))
