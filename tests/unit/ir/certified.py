"""Certificates for Programs that no recipe made."""

import numpy as np

from intact.exec.reference import load
from intact.ir.boundary import code_boundary
from intact.ir.certificate import (
    Calibration,
    Certificate,
    Origin,
    OutputHash,
    Range,
    Vectors,
    Version,
)
from intact.ir.graph import with_batch
from intact.ir.hashing import codes_sha256
from intact.ir.int_ops import Program
from tests.unit.ir.examples import INDEX, filled

ORIGIN = Origin(
    recipe="by hand",
    rules=("Rule(match='*')", "another"),
    seed=7,
    versions=(Version("python", "3.11"), Version("intact", "0.1.0")),
    calibration=Calibration(300, "0123456789abcdef" * 4),
    ranges=(Range("x", -1.5, 0.1), Range("y", 0.0, 0.0)),
)


def certified(program: Program, samples: int = 2) -> Certificate:
    """Vectors of every code, and what the reference makes of them."""
    inner = code_boundary(program).program
    inputs = {}
    for value in inner.inputs:
        shape = with_batch(value.shape, samples)
        is_index = value.dtype == INDEX
        inputs[value.name] = np.zeros(shape, int) if is_index else filled(value.dtype, shape)
    made = load(inner)(inputs)
    outputs = tuple(OutputHash(v.name, codes_sha256(made[v.name])) for v in inner.outputs)
    return Certificate(ORIGIN, Vectors(samples, inputs, outputs))
