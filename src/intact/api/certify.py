"""Makes the certificate of a network while it is being quantized."""

import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from types import FunctionType

import numpy as np

from intact.exec import reference
from intact.ir.boundary import code_boundary
from intact.ir.certificate import (
    MOST_TEXT,
    MOST_VECTORS,
    Calibration,
    Certificate,
    Origin,
    OutputHash,
    Range,
    Vectors,
    Version,
)
from intact.ir.graph import Value, with_batch
from intact.ir.hashing import codes_sha256, combined_sha256, little_endian
from intact.ir.int_ops import Program
from intact.ir.packing import packed_bytes
from intact.numerics.arrays import Array
from intact.observers import Statistics
from intact.ptq import PtqRule
from intact.verification.equality import exact_values

_PACKAGES = ("intact", "numpy", "torch")
_MOST_BYTES = 256_000  # of the codes of test vectors; one sample is kept whatever its size


class Witness:
    """Sees the calibration samples on their way: counts and hashes them, and keeps the first."""

    def __init__(self, inputs: Sequence[Value]) -> None:
        self._inputs = tuple(inputs)
        self._hashes = [hashlib.sha256(_line(value).encode()) for value in inputs]
        self._first: list[tuple[Array, ...]] = []
        self.samples = 0

    def watch(self, batches: Iterable[tuple[Array, ...]]) -> Iterator[tuple[Array, ...]]:
        """The same batches."""
        for arrays in batches:
            if self.samples < MOST_VECTORS:
                kept = zip(self._inputs, arrays, strict=True)
                self._first.append(tuple(_first(value, array) for value, array in kept))
            for array, digest in zip(arrays, self._hashes, strict=True):
                digest.update(little_endian(array))
            self.samples += len(arrays[0])
            yield arrays

    @property
    def calibration(self) -> Calibration | None:
        """What was seen; None if nothing was."""
        if not self.samples:
            return None
        return Calibration(self.samples, combined_sha256(h.hexdigest() for h in self._hashes))

    def first(self, count: int) -> dict[str, Array]:
        """The first `count` samples by input, or the first batch of a fixed size."""
        parts = zip(self._inputs, zip(*self._first, strict=True), strict=True)
        return {
            value.name: np.concatenate(arrays)[: -count * rows] if rows < 0 else arrays[0]
            for value, arrays in parts
            for rows in value.shape[:1]
        }


def _first(value: Value, array: Array) -> Array:
    rows = value.shape[0]
    return array[: -MOST_VECTORS * rows].copy() if rows < 0 else array.copy()


def _line(value: Value) -> str:
    return f"{value.name} {value.dtype} {list(value.shape[1:])}\n"


def certificate(
    program: Program,
    recipe: str,
    rules: Sequence[PtqRule],
    seed: int | None,
    witness: Witness,
    statistics: Mapping[str, Statistics],
) -> Certificate:
    """What made the Program, and test vectors of the first calibration samples."""
    origin = Origin(
        recipe,
        tuple(described(rule)[:MOST_TEXT] for rule in rules),
        seed,
        versions(),
        witness.calibration,
        tuple(Range(name, *found.seen) for name, found in statistics.items()),
    )
    return Certificate(origin, vectors(program, witness))


def vectors(program: Program, witness: Witness) -> Vectors | None:
    """Up to four samples, fewer if they are large; None where outputs are not integers' alone."""
    boundary = code_boundary(program)
    inner = boundary.program
    exact = exact_values(inner)
    if not witness.samples or not all(value.name in exact for value in inner.outputs):
        return None
    each = sum(packed_bytes(value.dtype, with_batch(value.shape, 1)) for value in inner.inputs)
    fixed = all(value.shape[0] > 0 for value in program.inputs)
    most = 1 if fixed else min(_MOST_BYTES // each, MOST_VECTORS, witness.samples)
    count = max(most, 1)
    codes = reference.load(boundary.before)(witness.first(count))
    made = reference.load(inner)({value.name: codes[value.name] for value in inner.inputs})
    outputs = tuple(OutputHash(v.name, codes_sha256(made[v.name])) for v in inner.outputs)
    return Vectors(count, {value.name: codes[value.name] for value in inner.inputs}, outputs)


def versions() -> tuple[Version, ...]:
    """Of Python and of the packages that compute."""
    found = [Version("python", platform.python_version())]
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):  # a source tree is not installed
            found.append(Version(package, importlib.metadata.version(package)))
    return tuple(found)


def described(setting: object) -> str:
    """A rule or a part of it as text, which is the same in every process."""
    match setting:
        case None | bool() | int() | float() | str():
            return repr(setting)
        case Enum():
            return str(setting)
        case tuple() | list():
            return f"({', '.join(map(described, setting))})"
        case FunctionType():
            return setting.__qualname__
        case _ if is_dataclass(setting):
            parts = (f"{f.name}={described(getattr(setting, f.name))}" for f in fields(setting))
            return f"{type(setting).__qualname__}({', '.join(parts)})"
        case _:
            return type(setting).__qualname__
