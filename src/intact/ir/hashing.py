"""Hashes of codes that say the same on every machine."""

import hashlib
from collections.abc import Iterable

import numpy as np

from intact.numerics.arrays import Array


def little_endian(array: Array) -> memoryview:
    """The bytes of an array, row-major, as every hash of codes takes them."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data


def codes_sha256(codes: Array) -> str:
    """Of the codes, row-major, little-endian."""
    return hashlib.sha256(little_endian(codes)).hexdigest()


def combined_sha256(hashes: Iterable[str]) -> str:
    """One hash of several: of their bytes, in order."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, hashes))).hexdigest()
