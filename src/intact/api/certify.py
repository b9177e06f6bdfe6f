"""Makes the certificate of a network while it is being quantized."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from types import FunctionType

import numpy as np

from intact.api.vectors import is_exact, most_samples, vectors_of, versions
from intact.exec import reference
from intact.ir.boundary import code_boundary
from intact.ir.certificate import (
    MOST_TEXT,
    MOST_VECTORS,
    Calibration,
    Certificate,
    Origin,
    Range,
    Vectors,
)
from intact.ir.graph import Value
from intact.ir.hashing import combined_sha256, little_endian
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.observers import Statistics
from intact.ptq import Recipe, observe


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
                self._first.append(tuple(map(_head, self._inputs, arrays)))
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
        kept = zip(self._inputs, zip(*self._first, strict=True), strict=True)
        return {value.name: _joined(value, parts, count) for value, parts in kept}


def _head(value: Value, array: Array) -> Array:
    """A copy of as many samples as there are vectors; of a batch of fixed size all."""
    return array[: MOST_VECTORS * _each(value) or None].copy()


def _joined(value: Value, parts: Sequence[Array], count: int) -> Array:
    return np.concatenate(parts)[: count * _each(value)] if _each(value) else parts[0]


def _each(value: Value) -> int:
    """Rows of a sample; 0 if their number is fixed."""
    return max(-value.shape[0], 0) if value.shape else 0


def _line(value: Value) -> str:
    return f"{value.name} {value.dtype} {list(value.shape[1:])}\n"


def certificate(
    program: Program,
    name: str,
    recipe: Recipe,
    seed: int | None,
    witness: Witness,
    statistics: Mapping[str, Statistics],
) -> Certificate:
    """What made the Program, and test vectors of the first calibration samples."""
    origin = Origin(
        name,
        settings(recipe),
        seed,
        versions("intact", "numpy", "torch"),
        witness.calibration,
        tuple(Range(name, *found.seen) for name, found in statistics.items()),
    )
    return Certificate(origin, vectors(program, witness))


def settings(recipe: Recipe) -> tuple[str, ...]:
    """The settings of a recipe as text, in the order in which they work."""
    ways = () if recipe.observe is observe else (recipe.observe,)
    everything = (*recipe.before, *ways, *recipe.rules, *recipe.after)
    return tuple(described(setting)[:MOST_TEXT] for setting in everything)


def vectors(program: Program, witness: Witness) -> Vectors | None:
    """Up to four samples, fewer if they are large; None where outputs are not integers' alone."""
    boundary = code_boundary(program)
    inner = boundary.program
    if not witness.samples or not is_exact(inner):
        return None
    samples = min(most_samples(inner), witness.samples)
    return vectors_of(inner, reference.load(boundary.before)(witness.first(samples)), samples)


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
