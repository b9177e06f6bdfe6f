"""Files with a right checksum around any header: what a hostile writer can make.

Written from the description of the format, apart from the code under test.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]
DELETED = object()


def seal(header: object, tensors: bytes) -> bytes:
    """A file of a header, as JSON unless it is bytes, and the bytes of the tensors."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return seal_stream(zlib.compress(text, level=9), tensors)


def seal_stream(text: bytes, tensors: bytes, version: int = 2) -> bytes:
    """A file of a compressed header, and the bytes of the tensors."""
    padding = bytes(-len(text) % 64) if tensors else b""
    body = text + padding + tensors
    preamble = struct.pack(
        "<8sIIQ32s8x", b"\x89intact\n", version, len(text), 64 + len(body), bytes(32)
    )
    digest = hashlib.sha256(preamble + body).digest()
    return preamble[:24] + digest + preamble[56:] + body


def unseal(data: bytes) -> tuple[Any, bytes]:
    """Header and tensors of a file."""
    (size,) = struct.unpack_from("<I", data, 12)
    return json.loads(zlib.decompress(data[64 : 64 + size])), data[(64 + size + 63) // 64 * 64 :]


def paths(data: object, path: Path = ()) -> Iterator[Path]:
    """Where every part of JSON lies, the whole of it excepted."""
    if path:
        yield path
    if isinstance(data, dict):
        for key, part in data.items():
            yield from paths(part, (*path, key))
    if isinstance(data, list):
        for index, part in enumerate(data):
            yield from paths(part, (*path, index))


def replaced(header: object, path: Path, value: object) -> Any:
    """A copy with one part replaced, or left out if the value is DELETED."""
    copy = json.loads(json.dumps(header))
    part = copy
    for key in path[:-1]:
        part = part[key]
    if value is DELETED:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return copy
