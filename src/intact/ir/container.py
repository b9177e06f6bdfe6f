"""The bytes of a .intact file: preamble, JSON header, tensors, one checksum over all of it.

Preamble, 64 bytes, little-endian: magic (8), version u32, header bytes u32, file bytes u64,
SHA-256 of every other byte of the file (32), zeros (8). The header follows, compressed by zlib (it
repeats itself: a tenth is left of it), then each tensor, in order, aligned to 64 bytes with zeros
between; the file ends with the last tensor. A tensor can be read in place from a mapped file.
"""

import hashlib
import json
import os
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from intact.errors import FormatError
from intact.ir.packing import Bytes
from intact.ir.replacing import replacing
from intact.ir.schema import Json

MAGIC = b"\x89intact\n"  # the first byte and the newline show a transfer as text
VERSION = 2  # 1: without a certificate
READABLE = (1, VERSION)
ALIGNMENT = 64
PREAMBLE = struct.Struct("<8sIIQ32s8x")
DIGEST = slice(24, 56)
MAX_HEADER = 1 << 23  # of its text
MAX_DEPTH = 32
# Strings and brackets. A string without an end runs to the end of the text, so that the search is
# linear in its length.
_TOKENS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def aligned(offset: int) -> int:
    """The next multiple of 64."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


# --- writing ---------------------------------------------------------------------------------


def write(path: Path, header: Json, tensors: Sequence[Bytes]) -> None:
    """Writes a file of exactly these bytes, or leaves `path` as it was.

    Raises:
        FormatError: if the header is larger than a reader accepts.
        OSError: if the file cannot be written; no other file is left behind.
    """
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode("ascii")
    if len(text) > MAX_HEADER:
        raise FormatError(f"{path}: a header of {len(text)} bytes, at most {MAX_HEADER}")
    compressed = zlib.compress(text, level=9)
    with replacing(path) as file:
        _write_all(file, compressed, tensors)


def _write_all(file: BinaryIO, header: bytes, tensors: Sequence[Bytes]) -> None:
    size = PREAMBLE.size + len(header)
    for tensor in tensors:
        size = aligned(size) + tensor.size
    preamble = PREAMBLE.pack(MAGIC, VERSION, len(header), size, bytes(32))
    digest = hashlib.sha256()
    digest.update(preamble)
    file.write(preamble)
    position = len(preamble)
    for part in (np.frombuffer(header, np.uint8), *tensors):
        padding = bytes(aligned(position) - position)
        for piece in (padding, part.data):
            digest.update(piece)
            file.write(piece)
        position += len(padding) + part.size
    file.seek(DIGEST.start)
    file.write(digest.digest())


# --- reading ---------------------------------------------------------------------------------


def read(path: Path) -> tuple[Json, Bytes]:
    """The header, and the bytes of the tensors, of a file whose checksum is right.

    Raises:
        FormatError: if it is another kind of file, truncated, or damaged in any byte.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        actual = os.fstat(file.fileno()).st_size
        header_bytes = _check_preamble(file.read(PREAMBLE.size), actual)
        file.seek(0)
        data = file.read(actual)
    if len(data) != actual:
        raise FormatError(f"has {actual} bytes, but {len(data)} could be read")
    digest = hashlib.sha256(data[: DIGEST.start] + bytes(32))
    digest.update(memoryview(data)[DIGEST.stop :])
    if digest.digest() != data[DIGEST]:
        raise FormatError("its checksum is wrong: it was damaged; get it again")
    header_end = PREAMBLE.size + header_bytes
    tensors = np.frombuffer(data, np.uint8)[aligned(header_end) :]
    return parse_header(_decompressed(data[PREAMBLE.size : header_end])), tensors


def _check_preamble(start: bytes, actual: int) -> int:
    """Number of bytes of the header."""
    if start[: len(MAGIC)] != MAGIC:
        raise FormatError("is not an .intact file")
    if len(start) < PREAMBLE.size:
        raise FormatError(f"is truncated: it has {len(start)} bytes")
    _, version, header_bytes, size, _ = PREAMBLE.unpack(start)
    if version not in READABLE:
        raise FormatError(f"has version {version}; this intact reads versions 1 to {VERSION}")
    if size != actual:
        raise FormatError(f"is truncated or damaged: it has {actual} of {size} bytes")
    if header_bytes > min(MAX_HEADER, actual - PREAMBLE.size):
        raise FormatError(f"has a header of {header_bytes} bytes, more than it may")
    return int(header_bytes)


def _decompressed(header: bytes) -> bytes:
    """The header's text, of bounded size whatever the file claims."""
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(header, MAX_HEADER)
    except zlib.error as error:
        raise FormatError(f"its header cannot be decompressed: {error}") from None
    if stream.unconsumed_tail or stream.unused_data or not stream.eof:
        raise FormatError(f"its header is not one whole stream of at most {MAX_HEADER} bytes")
    return text


def parse_header(text: bytes) -> Json:
    """The header's JSON, of bounded depth, without repeated keys, NaN or infinity.

    Raises:
        FormatError: if it is not that.
    """
    _check_depth(text)
    try:
        parsed: Json = json.loads(
            text.decode("ascii"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise FormatError(f"its header is not JSON: {error}") from None
    return parsed


def _check_depth(text: bytes) -> None:
    """Parsers recurse; strings may hold any bracket."""
    depth = 0
    for token in _TOKENS.finditer(text):
        depth += _STEPS.get(text[token.start()], 0)
        if depth > MAX_DEPTH:
            raise FormatError(f"its header nests deeper than {MAX_DEPTH}")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")
