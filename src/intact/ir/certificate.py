"""Certificate: what made a network, and test vectors that say which integers it computes.

It holds nothing of the time, the machine or its paths, so that equal inputs give equal files. What
the ranges have become, scales and zero points, is in the Program (`Value.params`).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from intact.errors import VerifyError
from intact.ir.attributes import NAME_RULE, is_name
from intact.ir.boundary import code_boundary
from intact.ir.graph import Value, with_batch
from intact.ir.hashing import combined_sha256
from intact.ir.int_ops import Program
from intact.ir.verify import check_constant
from intact.numerics.arrays import Array

MOST_VECTORS = 4
MOST_TEXT = 4096  # characters of a recipe's name or of a rule
_SHA256 = re.compile(r"[0-9a-f]{64}")
_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Version:
    """Of a package that took part."""

    package: str
    version: str

    def __post_init__(self) -> None:
        _check_text(self.package)
        _check_text(self.version)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The samples that calibration has read.

    `sha256` is of one hash for each input, in order: of its name, dtype and the shape of a sample
    in a line, and then of the samples as the network takes them, row-major, little-endian. It does
    not depend on how they were cut into batches.
    """

    samples: int
    sha256: str

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"{self.samples} samples")
        _check_sha256(self.sha256)


@dataclass(frozen=True, slots=True)
class Range:
    """The smallest and the largest number that calibration has seen of a value."""

    name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError(f"{self.name[:50]!r}: {NAME_RULE}")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(f'"{self.name}" from {self.low} to {self.high}')


@dataclass(frozen=True, slots=True)
class Origin:
    """What made a network: the same again gives the same network."""

    recipe: str
    rules: tuple[str, ...]  # and other settings of the recipe, as text, in order
    seed: int | None  # of the random numbers that samples may come from; intact draws none
    versions: tuple[Version, ...]
    calibration: Calibration | None  # None if the recipe observes nothing
    ranges: tuple[Range, ...]  # in execution order

    def __post_init__(self) -> None:
        for text in (self.recipe, *self.rules):
            _check_text(text)
        if self.seed is not None:
            check_seed(self.seed)


@dataclass(frozen=True, slots=True)
class OutputHash:
    """Of the codes that the reference computes from all vectors: row-major, little-endian."""

    name: str
    sha256: str

    def __post_init__(self) -> None:
        _check_sha256(self.sha256)


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Codes for the inputs of `code_boundary(program).program`, and what it makes of them.

    `samples` is the batch size; 1 where that is fixed, whatever it is.
    """

    samples: int
    inputs: Mapping[str, Array]  # by value name, in the order of the inputs; read-only
    outputs: tuple[OutputHash, ...]  # in the order of the outputs

    @property
    def sha256(self) -> str:
        """One hash of all outputs."""
        return combined_sha256(output.sha256 for output in self.outputs)


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """What made a network, and test vectors; None where its outputs are computed in float."""

    origin: Origin
    vectors: Vectors | None

    def __str__(self) -> str:
        """In a line."""
        calibration, vectors = self.origin.calibration, self.vectors
        parts = [self.origin.recipe]
        parts += [f"{v.package} {v.version}" for v in self.origin.versions]
        if calibration is not None:
            parts.append(f"{calibration.samples:,} samples (SHA-256 {calibration.sha256[:16]}...)")
        if vectors is not None:
            parts.append(f"{vectors.samples} test vectors (SHA-256 {vectors.sha256[:16]}...)")
        return ", ".join(parts)


def check_vectors(vectors: Vectors, program: Program) -> None:
    """Names, dtypes, shapes and codes are those of the Program between codes.

    Raises:
        VerifyError: says what is not.
    """
    inner = code_boundary(program).program
    names = [value.name for value in inner.inputs]
    if list(vectors.inputs) != names:
        raise VerifyError(
            f"test vectors for {list(vectors.inputs)[:5]}, not for {names[:5]}: the certificate is"
            " another network's"
        )
    outputs = [value.name for value in inner.outputs]
    if [output.name for output in vectors.outputs] != outputs:
        raise VerifyError(
            f"hashes of other outputs than {outputs[:5]}: the certificate is another network's"
        )
    if not 1 <= vectors.samples <= MOST_VECTORS:
        raise VerifyError(f"{vectors.samples} test vectors, expected 1 to {MOST_VECTORS}")
    for value in inner.inputs:
        shape = with_batch(value.shape, vectors.samples)
        check_constant(Value(value.name, shape, value.dtype), vectors.inputs[value.name])


def check_seed(seed: int) -> None:
    """Raises ValueError for a seed that a certificate cannot hold."""
    if not -_INT64 < seed < _INT64:
        raise ValueError(f"seed {seed} does not fit 64 bits")


def _check_text(text: str) -> None:
    if not (0 < len(text) <= MOST_TEXT and text.isprintable()):
        raise ValueError(f"{text[:50]!r} is not 1 to {MOST_TEXT} printable characters")


def _check_sha256(text: str) -> None:
    if not _SHA256.fullmatch(text):
        raise ValueError(f"{text[:50]!r} is no SHA-256 in hexadecimal")
