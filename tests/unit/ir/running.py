"""Runs a Program of small values on random inputs: what `verify` allows must not fail."""

import numpy as np

from intact.exec.reference import load
from intact.ir.graph import Value, elements, with_batch
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.numerics.formats import Float, Int

SMALL = 1_000_000  # elements of a value


def run(program: Program, batch: int) -> None:
    """Every value has the declared shape and dtype, every output's code lies in its format."""
    if any(elements(value.shape, batch) > SMALL for value in program.values()):
        return
    if not any(dim < 0 for value in program.inputs for dim in value.shape):
        batch = 1  # no input tells another
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        outputs = load(program)({v.name: _drawn(v, batch, rng) for v in program.inputs})
    for value in program.outputs:
        array = outputs[value.name]
        assert array.shape == with_batch(value.shape, batch)
        assert array.dtype == value.dtype.storage
        if isinstance(value.dtype, Int):
            assert value.dtype.qmin <= array.min() <= array.max() <= value.dtype.qmax


def _drawn(value: Value, batch: int, rng: np.random.Generator) -> Array:
    shape, storage = with_batch(value.shape, batch), value.dtype.storage
    if isinstance(value.dtype, Float):
        return rng.normal(size=shape).astype(storage)
    assert isinstance(value.dtype, Int)
    if value.dtype.bits > 16:  # indices of a table of 11 rows
        return rng.integers(0, 11, size=shape).astype(storage)
    return rng.integers(value.dtype.qmin, value.dtype.qmax, size=shape, endpoint=True).astype(
        storage
    )
