"""A weight times a factor of each output channel is codes of the same format, exactly."""

import numpy as np
import pytest

from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.numerics.formats import E4M3, Binary, Format, Int, MidRise, PowerOfTwo, Ternary
from intact.numerics.granularity import Granularity, PerChannel, PerGroup, PerTensor, scale_shape
from intact.numerics.qtensor import CodebookTensor, QuantParams, ScaledTensor
from intact.observers.params import SMALLEST_SCALE
from intact.qat.rescaled import rescaled

FORMATS: tuple[Format, ...] = (
    Int(8, narrow=True), Int(8), Int(2), Int(4, signed=False), Binary(), MidRise(2), MidRise(7),
    Ternary(), PowerOfTwo(4), E4M3,
)  # fmt: skip
CONV = ops.Conv((1, 1), ((0, 0),) * 2, (1, 1))
TRANSPOSED = ops.ConvTranspose((1, 1), ((0, 0),) * 2, (0, 0), (1, 1))
FACTOR = np.array([0.5, -2.0, -0.25, 4.0])  # exact, so that products are


def weight(format: Format, granularity: Granularity, *, asymmetric: bool = False) -> ScaledTensor:
    rng = np.random.default_rng(0)
    scales = scale_shape((4, 4, 1, 3), granularity)
    codes = rng.choice(format.codes(), (4, 4, 1, 3)).astype(format.storage)
    codes[0, 0, 0, 0] = format.codes()[0]  # the lowest, which a mirror may not have
    zero_point = None
    if asymmetric and isinstance(format, Int):
        zero_point = rng.integers(format.qmin, format.qmax, scales, endpoint=True)
    scale = 2.0 ** rng.integers(-3, 3, scales)
    return ScaledTensor(codes, QuantParams(format, scale.astype(np.float32), zero_point))


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(2)], ids=str)
@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_every_format_is_multiplied_exactly(format: Format, granularity: Granularity) -> None:
    before = weight(format, granularity)
    after = rescaled(before, CONV, FACTOR)
    assert after.params.format == format
    expected = before.dequantize() * FACTOR.reshape(4, 1, 1, 1)
    np.testing.assert_array_equal(after.dequantize(), expected)


@pytest.mark.parametrize("format", [Int(8), Int(4, signed=False), Int(2)], ids=str)
def test_zero_points_are_mirrored_too(format: Int) -> None:
    before = weight(format, PerChannel(), asymmetric=True)
    after = rescaled(before, CONV, FACTOR)
    assert after.params.zero_point is not None
    assert set(after.codes.ravel()) <= set(format.codes())
    expected = before.dequantize() * FACTOR.reshape(4, 1, 1, 1)
    np.testing.assert_array_equal(after.dequantize(), expected)


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_the_outputs_of_a_transposed_convolution_are_axis_1(format: Format) -> None:
    before = weight(format, PerChannel(1))
    after = rescaled(before, TRANSPOSED, FACTOR)
    expected = before.dequantize() * FACTOR.reshape(1, 4, 1, 1)
    np.testing.assert_array_equal(after.dequantize(), expected)


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_a_dead_channel_has_weights_of_zero_or_next_to_it(format: Format) -> None:
    after = rescaled(weight(format, PerChannel()), CONV, np.array([1.0, 0.0, -1.0, 1.0]))
    dead = np.abs(after.dequantize()[1])
    assert (dead <= (SMALLEST_SCALE * 127 if isinstance(format, Binary | MidRise) else 0)).all()
    assert (after.params.scale > 0).all()


@pytest.mark.parametrize("op", [CONV, ops.Linear()], ids=["conv", "linear"])
def test_a_codebook_gets_an_entry_for_each_channel_that_uses_one(op: FloatOp) -> None:
    numbers = np.array([[0.5], [-3.0], [7.0]], np.float32)
    assignments = np.array([0, 1, 1, 1, 0, 1, 0, 0], np.int8)
    before = CodebookTensor(numbers, assignments, (4, 2))
    after = rescaled(before, op, FACTOR)
    assert isinstance(after, CodebookTensor)
    assert len(after.codebook) == 6
    np.testing.assert_array_equal(after.dequantize(), before.dequantize() * FACTOR[:, None])


def test_a_codebook_of_vectors_is_refused() -> None:
    codebook = CodebookTensor(np.ones((2, 2), np.float32), np.zeros(8, np.int8), (4, 4))
    with pytest.raises(UnsupportedOpError, match="another quantizer"):
        rescaled(codebook, CONV, FACTOR)


def test_transposed_convolutions_of_several_groups_are_refused() -> None:
    op = ops.ConvTranspose((1, 1), ((0, 0),) * 2, (0, 0), (1, 1), 2)
    with pytest.raises(UnsupportedOpError, match="several groups"):
        rescaled(weight(Ternary(), PerTensor()), op, np.ones(8))
