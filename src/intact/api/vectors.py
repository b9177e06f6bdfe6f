"""Test vectors: codes for a Program's inputs, and hashes of what the reference makes of them."""

import importlib.metadata
import platform
from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from intact.exec import reference
from intact.ir.boundary import code_boundary
from intact.ir.certificate import (
    MOST_VECTORS,
    Certificate,
    Origin,
    OutputHash,
    Vectors,
    Version,
)
from intact.ir.graph import Value, with_batch
from intact.ir.hashing import codes_sha256
from intact.ir.int_ops import Program, QEmbedding
from intact.ir.packing import packed_bytes
from intact.numerics.arrays import Array
from intact.numerics.formats import Float, Int
from intact.verification.equality import exact_values

_MOST_BYTES = 256_000  # of the codes of test vectors; one sample is kept whatever its size


def most_samples(inner: Program) -> int:
    """How many vectors a certificate holds of a Program between codes: 1 of a fixed batch size."""
    each = sum(packed_bytes(value.dtype, with_batch(value.shape, 1)) for value in inner.inputs)
    fixed = all(dim > 0 for value in inner.inputs for dim in value.shape)
    return 1 if fixed else max(min(_MOST_BYTES // max(each, 1), MOST_VECTORS), 1)


def is_exact(inner: Program) -> bool:
    """Whether all outputs are computed from codes alone, so that a hash of them says something."""
    exact = exact_values(inner)
    return all(value.name in exact for value in inner.outputs)


def vectors_of(inner: Program, codes: Mapping[str, Array], samples: int) -> Vectors:
    """The codes, and what the reference makes of them."""
    inputs = {value.name: codes[value.name] for value in inner.inputs}
    made = reference.load(inner)(inputs)
    outputs = tuple(OutputHash(v.name, codes_sha256(made[v.name])) for v in inner.outputs)
    return Vectors(samples, inputs, outputs)


def drawn_codes(inner: Program, samples: int, seed: int) -> dict[str, Array]:
    """Random codes of each input's format; indices are those of rows."""
    generator = np.random.default_rng(seed)
    return {value.name: _drawn(value, inner, samples, generator) for value in inner.inputs}


def _drawn(value: Value, inner: Program, samples: int, generator: np.random.Generator) -> Array:
    assert isinstance(value.dtype, Int), "real numbers are no codes"
    low, high = value.dtype.qmin, value.dtype.qmax
    if value.dtype.bits > 16:
        tables = (n.inputs[1].shape[0] for n in inner.nodes if isinstance(n.op, QEmbedding))
        low, high = 0, min(tables, default=1) - 1
    codes = generator.integers(low, high, with_batch(value.shape, samples), endpoint=True)
    return codes.astype(value.dtype.storage)


def drawn_certificate(program: Program, recipe: str) -> Certificate:
    """Of a network that nothing has calibrated here: its vectors are random codes of seed 0."""
    inner = code_boundary(program).program
    origin = Origin(recipe, (), 0, versions("intact", "numpy"), None, ())
    if not is_exact(inner) or any(isinstance(value.dtype, Float) for value in inner.inputs):
        return Certificate(origin, None)
    samples = most_samples(inner)
    try:
        vectors = vectors_of(inner, drawn_codes(inner, samples, seed=0), samples)
    except IndexError:  # of a table that the network computes an index of
        return Certificate(origin, None)
    return Certificate(origin, vectors)


def versions(*packages: str) -> tuple[Version, ...]:
    """Of Python and of packages that compute."""
    found = [Version("python", platform.python_version())]
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):  # a source tree is not installed
            found.append(Version(package, importlib.metadata.version(package)))
    return tuple(found)
