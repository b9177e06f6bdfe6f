"""A constant of codes means in ONNX what it means in a Program."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from intact.emit.onnx.quantization import Stored, dequantized_bias, dequantized_constant
from intact.emit.onnx.writer import Writer
from intact.errors import FormatError
from intact.ir.graph import Value
from intact.numerics.arrays import Array
from intact.numerics.formats import (
    BF16,
    E4M3,
    E5M2,
    FP16,
    FP32,
    Binary,
    Float,
    Format,
    Int,
    MidRise,
    PowerOfTwo,
    Ternary,
)
from intact.numerics.granularity import Granularity, PerChannel, PerGroup, PerTensor, scale_shape
from intact.numerics.qtensor import QuantParams
from tests.unit.emit.runtime import run

INTEGERS: tuple[Format, ...] = (
    *(Int(bits) for bits in range(2, 17)),
    *(Int(bits, signed=False) for bits in (1, 2, 4, 7, 8, 11, 16)),
    Int(8, narrow=True), Binary(), *(MidRise(bits) for bits in range(2, 8)), Ternary(),
    *(PowerOfTwo(bits) for bits in (2, 3, 4, 5)),
)  # fmt: skip
FLOATS: tuple[Format, ...] = (FP32, FP16, BF16, E4M3, E5M2)
SHAPE = (6, 8)


def stored(format: Format, granularity: Granularity, *, symmetric: bool = True) -> Stored:
    rng = np.random.default_rng(1)
    scales = scale_shape(SHAPE, granularity)
    scale = rng.uniform(0.01, 0.1, scales).astype(np.float32)
    codes = rng.permutation(np.resize(format.codes(), SHAPE).ravel()).reshape(SHAPE) \
        if format.bits <= 16 else rng.normal(size=SHAPE).astype(np.float32)  # fmt: skip
    zero_point = None
    if not symmetric and isinstance(format, Int):
        zero_point = rng.integers(format.qmin, format.qmax, scales, endpoint=True)
    return Stored(codes, QuantParams(format, scale, zero_point))


def in_onnx(writer: Writer, tensor: str) -> Array:
    writer.node("Identity", [tensor], "y", "y")
    graph = writer.graph([], [Value("y", SHAPE, FP32)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return run(model, {})["y"]


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerChannel(1), PerGroup(4)])
@pytest.mark.parametrize("format", [*INTEGERS, *FLOATS], ids=str)
def test_real_numbers_of_a_constant_are_exact(format: Format, granularity: Granularity) -> None:
    constant = stored(format, granularity)
    writer = Writer([], ["y"])
    expected = constant.params.dequantize(constant.codes)
    made = in_onnx(writer, dequantized_constant(writer, constant, "w"))
    # Powers of two multiply the scale instead of the code, which rounds once all the same.
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(4)])
@pytest.mark.parametrize("format", [Int(4), Int(8), Int(4, signed=False), Int(8, signed=False)])
def test_zero_points_are_subtracted(format: Format, granularity: Granularity) -> None:
    constant = stored(format, granularity, symmetric=False)
    writer = Writer([], ["y"])
    made = in_onnx(writer, dequantized_constant(writer, constant, "w"))
    np.testing.assert_array_equal(made, constant.params.dequantize(constant.codes))


@pytest.mark.parametrize("format", [Int(32), Int(64)], ids=str)
def test_wide_integers_are_multiplied_out(format: Int) -> None:
    codes = np.arange(-24, 24, dtype=format.storage).reshape(SHAPE) << 20
    constant = Stored(codes, QuantParams(format, np.float32(0.1), np.asarray(3)))
    writer = Writer([], ["y"])
    made = in_onnx(writer, dequantized_constant(writer, constant, "w"))
    np.testing.assert_array_equal(made, constant.params.dequantize(codes))


@pytest.mark.parametrize("format", [Int(4), FP16], ids=str)
def test_scales_without_a_form_in_onnx_are_multiplied_out(format: Format) -> None:
    rng = np.random.default_rng(2)
    scale = rng.uniform(0.5, 1, SHAPE).astype(np.float32)  # one for each number
    codes = np.resize(format.codes(), SHAPE)
    constant = Stored(codes, QuantParams(format, scale))
    writer = Writer([], ["y"])
    made = in_onnx(writer, dequantized_constant(writer, constant, "w"))
    np.testing.assert_array_equal(made, constant.params.dequantize(codes))


@pytest.mark.parametrize(
    ("format", "element"),
    [
        (Int(2), TensorProto.INT4),
        (Int(4, signed=False), TensorProto.UINT4),
        (Int(5), TensorProto.INT8),
        (Int(8, signed=False), TensorProto.UINT8),
        (Int(9), TensorProto.INT16),
        (Binary(), TensorProto.INT4),
        (MidRise(3), TensorProto.INT4),
        (MidRise(4), TensorProto.INT8),
        (PowerOfTwo(4), TensorProto.INT8),
        (FP16, TensorProto.FLOAT16),
        (BF16, TensorProto.BFLOAT16),
        (E4M3, TensorProto.FLOAT8E4M3FN),
        (Float(5, 2), TensorProto.FLOAT8E5M2),
    ],
    ids=str,
)
def test_a_format_is_stored_in_the_smallest_type_that_holds_it(
    format: Format, element: int
) -> None:
    writer = Writer([], ["y"])
    tensor = dequantized_constant(writer, stored(format, PerTensor()), "w")
    initializers = {t.name: t for t in writer.graph([], [Value(tensor, SHAPE, FP32)]).initializer}
    assert initializers["w"].data_type == element


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_a_bias_is_its_integers_times_their_unit(dtype: type) -> None:
    bias = np.array([[-(2**20), 0, 7, 2**24, 1, 2, 3, 4]] * 6, dtype).ravel()
    scale = np.linspace(1e-4, 2e-4, bias.size)
    writer = Writer([], ["y"])
    made = dequantized_bias(writer, bias, scale, "b")
    writer.node("Identity", [made], "y", "y")
    graph = writer.graph([], [Value("y", bias.shape, FP32)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    np.testing.assert_allclose(run(model, {})["y"], bias * scale, rtol=3e-7)


def test_an_initializer_is_written_once() -> None:
    writer = Writer([], [])
    names = [writer.constant(np.ones(3, np.float32), "a") for _ in range(2)]
    assert names == ["a", "a"]
    assert writer.constant(np.zeros(3, np.float32), "a") == "a.1"


def test_more_weights_than_one_file_holds_are_an_error() -> None:
    writer = Writer([], [], limit=100)
    writer.constant(np.zeros(25, np.float32), "layer1.weight")
    with pytest.raises(FormatError, match=r'up to "layer2.weight" need more than 2 GB'):
        writer.constant(np.ones(1, np.float32), "layer2.weight")
