from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.ir.packing import CHUNK, code_range, pack, packed_bytes, unpack
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32, Binary, Float, Format, Int
from tests.unit.ir.examples import FORMATS, filled

SMALL = [f for f in FORMATS if f.bits <= 16]


@st.composite
def tensors(draw: st.DrawFn) -> tuple[Format, Array]:
    format = draw(st.sampled_from(FORMATS))
    shape = tuple(draw(st.lists(st.integers(1, 7), max_size=4)))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    limits = code_range(format)
    if limits is None:
        return format, rng.normal(size=shape).astype(format.storage)
    return format, rng.integers(*limits, size=shape, endpoint=True, dtype=format.storage)


@given(tensors())
def test_unpack_inverts_pack(case: tuple[Format, Array]) -> None:
    format, codes = case
    packed = pack(codes, format)
    assert packed.size == packed_bytes(format, codes.shape)
    back = unpack(packed, format, codes.shape)
    assert back.dtype == format.storage
    assert back.shape == codes.shape
    np.testing.assert_array_equal(back, codes)


@pytest.mark.parametrize("format", SMALL, ids=str)
def test_every_code_survives(format: Format) -> None:
    codes = format.codes()
    np.testing.assert_array_equal(unpack(pack(codes, format), format, codes.shape), codes)


@pytest.mark.parametrize("format", SMALL, ids=str)
def test_code_range_holds_exactly_the_codes(format: Format) -> None:
    limits = code_range(format)
    if isinstance(format, Float):
        assert limits is None
    else:
        assert limits == (format.codes().min(), format.codes().max())


@given(st.sampled_from(FORMATS), st.lists(st.integers(1, 50), max_size=4))
def test_packed_bytes_are_the_bits_rounded_up(format: Format, shape: list[int]) -> None:
    bits = Fraction(format.bits)
    for size in shape:
        bits *= size
    size = packed_bytes(format, tuple(shape))
    assert size - 1 < bits / 8 <= size


def test_first_code_lies_in_the_lowest_bits() -> None:
    assert pack(np.array([1, -2, 7], np.int8), Int(4)).tolist() == [0xE1, 0x07]
    # 001, 111, 011, 100 from the lowest bit up
    assert pack(np.array([1, -1, 3, -4], np.int8), Int(3)).tolist() == [0b11111001, 0b1000]
    assert pack(np.array([1, 0, 0, 0, 0, 0, 1, 1, 1], np.int8), Binary()).tolist() == [0xC1, 1]


def test_storage_types_are_little_endian() -> None:
    assert pack(np.array([0x0102], np.int16), Int(16)).tolist() == [2, 1]
    assert pack(np.array([1.0], np.float32), FP32).tolist() == [0, 0, 0x80, 0x3F]


@pytest.mark.parametrize("format", [Int(3), Binary(), Int(12)], ids=str)
def test_tensors_of_many_chunks_are_one_stream(format: Format) -> None:
    codes = filled(format, (CHUNK + 13,))
    packed = pack(codes, format)
    np.testing.assert_array_equal(unpack(packed, format, codes.shape), codes)
    edge = CHUNK - 8
    offset = edge * format.bits // 8
    np.testing.assert_array_equal(packed[offset:], pack(codes[edge:], format))


@pytest.mark.parametrize(("size", "message"), [(1, "expected 2"), (3, "expected 2")])
def test_wrong_number_of_bytes_is_refused(size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpack(np.zeros(size, np.uint8), Int(4), (3,))


def test_bits_after_the_last_code_are_refused() -> None:
    with pytest.raises(ValueError, match="after the last int4 code"):
        unpack(np.array([0x11, 0x11], np.uint8), Int(4), (3,))


def test_whole_byte_formats_are_views() -> None:
    data = pack(np.arange(8, dtype=np.float32), FP32)
    assert np.shares_memory(unpack(data, FP32, (2, 4)), data)
