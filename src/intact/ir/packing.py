"""Codes as bytes: `format.bits` bits each, so that a file is as small as its formats promise.

Formats whose bits fill their storage type are stored as that type, little-endian. The others are
one stream of bits: code i takes bits [i * bits, (i + 1) * bits), lowest bit first, in two's
complement; the last byte is filled with zeros. So Int(4) has two codes a byte, the first in the low
half, and Binary eight.
"""

import math
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from intact.ir.graph import Shape
from intact.numerics.arrays import Array, Codes
from intact.numerics.formats import Binary, Float, Format, Int, MidRise, PowerOfTwo, Ternary

Bytes = NDArray[np.uint8]

CHUNK = 1 << 20  # codes unpacked to bits at a time; a multiple of 8, so each starts at a byte


def code_range(format: Format) -> tuple[int, int] | None:
    """Lowest and highest code; None for floating point."""
    match format:
        case Int():
            return format.qmin, format.qmax
        case Binary():
            return 0, 1
        case MidRise():
            return 0, format.largest
        case Ternary():
            return -1, 1
        case PowerOfTwo(bits):
            return 1 - (1 << (bits - 1)), (1 << (bits - 1)) - 1
        case Float():
            return None
        case _:
            assert_never(format)


def packed_bytes(format: Format, shape: Shape) -> int:
    """Bytes that a tensor of codes takes, without padding or alignment."""
    return -(-math.prod(shape) * format.bits // 8)


def pack(codes: Codes, format: Format) -> Bytes:
    """The bytes of codes, in row-major order; each must be a code of the format."""
    patterns = _patterns(np.ascontiguousarray(codes, format.storage).reshape(-1))
    if _fills_storage(format):
        return patterns.view(np.uint8)
    packed = np.empty(packed_bytes(format, codes.shape), np.uint8)
    for start in range(0, patterns.size, CHUNK):
        part = patterns[start : start + CHUNK]
        columns = part.view(np.uint8).reshape(part.size, part.itemsize)
        bits = np.unpackbits(columns, axis=1, count=format.bits, bitorder="little")
        offset = start * format.bits // 8
        piece = np.packbits(bits, bitorder="little")
        packed[offset : offset + piece.size] = piece
    return packed


def unpack(data: Bytes, format: Format, shape: Shape) -> Codes:
    """The codes of packed bytes; a view of `data` where the format fills its storage.

    Raises:
        ValueError: if there are too few or too many bytes, or bits after the last code.
    """
    expected = packed_bytes(format, shape)
    if data.size != expected:
        raise ValueError(f"{data.size} bytes for {format} of shape {shape}, expected {expected}")
    if _fills_storage(format):
        return _from_patterns(data.view(_pattern_type(format)), format).reshape(shape)
    count = math.prod(shape)
    used = count * format.bits % 8
    if used and data[-1] >> used:
        raise ValueError(f"there are bits after the last {format} code")
    patterns = np.empty(count, _pattern_type(format))
    for start in range(0, count, CHUNK):
        part = patterns[start : start + CHUNK]
        offset = start * format.bits // 8
        part[:] = _unpack_bits(data[offset:], part.size, format)
    return _from_patterns(patterns, format).reshape(shape)


def _unpack_bits(data: Bytes, count: int, format: Format) -> Array:
    width = _pattern_type(format).itemsize
    needed = data[: -(-count * format.bits // 8)]
    bits = np.unpackbits(needed, count=count * format.bits, bitorder="little")
    columns = bits.reshape(count, format.bits)
    lowest, _ = code_range(format) or (0, 0)
    # Two's complement: the bits above the code repeat its sign.
    sign = columns[:, -1:] if lowest < 0 else np.zeros((count, 1), np.uint8)
    whole = np.concatenate([columns, np.repeat(sign, 8 * width - format.bits, axis=1)], axis=1)
    return np.packbits(whole, bitorder="little").view(_pattern_type(format))


def _fills_storage(format: Format) -> bool:
    return format.bits == 8 * format.storage.itemsize


def _pattern_type(format: Format) -> np.dtype[np.generic]:
    return np.dtype(f"<u{format.storage.itemsize}")


def _patterns(codes: Codes) -> Array:
    """The bits of each code as a little-endian unsigned integer."""
    width = codes.dtype.itemsize
    return codes.view(f"u{width}").astype(f"<u{width}", copy=False)


def _from_patterns(patterns: Array, format: Format) -> Codes:
    width = format.storage.itemsize
    return patterns.astype(f"=u{width}", copy=False).view(format.storage)
