"""Loads a file and runs it natively: what may happen, and what is a finding."""

import math
import zlib
from pathlib import Path

import numpy as np

from intact.errors import FormatError, UnsupportedOpError
from intact.exec import native, reference
from intact.exec.native import parts
from intact.ir import float_ops as ops
from intact.ir import int_ops as q
from intact.ir.file import load
from intact.ir.graph import Node, Value, elements, with_batch
from intact.ir.int_ops import IntOp, Program
from intact.ir.rules import MovesCodes
from intact.ir.windows import scratch_shape
from intact.numerics.arrays import Array
from intact.numerics.formats import Float, Int

Rng = np.random.Generator
OUTCOMES = ("refused", "unsupported", "too large to run", "ran", "equal")

BATCHES = (1, 2, 3, 0)
LARGEST_RUN = 2_000_000  # multiplications and elements that a run may need
LARGEST_COMPARED = 400_000
SUMS = (
    q.QConv2d, q.QConvTranspose2d, q.DynamicConv2d, q.QLinear, q.DynamicLinear, ops.Conv,
    ops.ConvTranspose, ops.Linear,
)  # fmt: skip
ROUGH = (ops.BatchNorm, ops.LayerNorm, ops.GroupNorm, q.DynamicConv2d, q.DynamicLinear)
TOLERANCE = 1e-4  # of the largest number, where sums of real numbers may be in any order
OVERFLOWS = 1e12  # products of such numbers may overflow in one order of a sum alone
PRODUCTS = (q.QMatMul, ops.MatMul)


class FindingError(Exception):
    """Something that must not happen."""


def judge(path: Path) -> str:
    """One of the outcomes. What else is raised is a finding.

    The same file is always run on the same numbers.
    """
    rng = np.random.default_rng(zlib.crc32(path.read_bytes()))
    threads = int(rng.integers(1, 3))
    parts._ARENA = int(rng.choice([0, 8 << 20]))  # samples one by one, or all at once
    try:
        program = load(path)
    except FormatError as error:
        if not str(error).isprintable():
            raise FindingError(f"a message of several lines: {error}") from error
        return "refused"
    try:
        engine = native.load(program, threads)
    except UnsupportedOpError:
        return "unsupported"
    work = sum(_work(node, max(BATCHES)) for node in program.nodes)
    work += sum(elements(value.shape, max(BATCHES)) for value in program.inputs)
    if work > LARGEST_RUN:
        return "too large to run"
    compare = work < LARGEST_COMPARED and (_is_exact(program) or _is_smooth(program))
    return _run(program, engine, rng, compare=compare)


def _is_exact(program: Program) -> bool:
    """Whether nothing depends on the order of sums of real numbers."""
    return not any(
        isinstance(node.op, ops.FloatOp) and not isinstance(node.op, MovesCodes)
        for node in program.nodes
    )


def _is_smooth(program: Program) -> bool:
    """Whether small differences stay small: no rounding to codes, no division by variances."""
    return not any(
        isinstance(node.op, ROUGH) or isinstance(node.output.dtype, Int) for node in program.nodes
    )


def _work(node: Node[IntOp], batch: int) -> int:
    """Elements that the reference and the engine touch, more or less."""
    shapes = [value.shape for value in node.inputs]
    out = elements(node.output.shape, batch)
    total = out + sum(elements(shape, batch) for shape in shapes)
    total += sum(elements(s, batch) for s in scratch_shape(node.op, shapes, node.output.shape))
    if isinstance(node.op, SUMS):
        total += out * math.prod(shapes[1][1:])
    if isinstance(node.op, PRODUCTS):
        total += out * abs(shapes[0][-1])
    return total + out * math.prod(getattr(node.op, "kernel", ()))


def _run(program: Program, engine: native.NativeEngine, rng: Rng, *, compare: bool) -> str:
    batch = int(rng.choice(BATCHES, p=(0.4, 0.3, 0.25, 0.05)))
    inputs = {value.name: _drawn(value, batch, rng) for value in program.inputs}
    made = _outputs(engine, inputs)
    if not compare or not all(np.isfinite(x).all() for x in inputs.values() if x.dtype.kind == "f"):
        return "ran"
    expected = _outputs(reference.load(program), inputs)
    if (made is None) != (expected is None):
        raise FindingError(f"natively {_indices(made)}, in the reference {_indices(expected)}")
    if made is not None and expected is not None:
        numbers = (*inputs.values(), *expected.values(), *program.constants.values())
        near = 0 if _is_exact(program) else _magnitude(*numbers)
        if not near < OVERFLOWS:
            return "ran"
        for name, array in expected.items():
            _check_equal(name, made[name], array, TOLERANCE * near)
    return "equal"


def _magnitude(*arrays: Array) -> float:
    return max(
        (float(np.abs(x).max()) for x in arrays if x.size and x.dtype.kind == "f"), default=0
    )


def _indices(outputs: dict[str, Array] | None) -> str:
    return "an index was refused" if outputs is None else "no index was refused"


def _outputs(runner: native.NativeEngine | reference.Runner, inputs: dict[str, Array]):
    try:
        with np.errstate(all="ignore"):
            return runner(inputs)
    except IndexError:
        return None  # an index that the embedding does not have


def _check_equal(name: str, made: Array, expected: Array, error: float) -> None:
    if made.dtype != expected.dtype or made.shape != expected.shape:
        raise FindingError(
            f"{name}: {made.dtype} {made.shape}, not {expected.dtype} {expected.shape}"
        )
    if expected.dtype.kind != "f":
        wrong = made != expected
    else:
        with np.errstate(all="ignore"):
            wrong = ~np.isclose(made, expected, rtol=0, atol=error, equal_nan=True)
    if wrong.any():
        where = np.argwhere(wrong)
        at = tuple(int(i) for i in where[0])
        raise FindingError(
            f"{name}: {len(where)} of {made.size} differ; {made[at]}, not {expected[at]}, at {at}"
        )


def _drawn(value: Value, batch: int, rng: Rng) -> Array:
    shape, storage = with_batch(value.shape, batch), value.dtype.storage
    kind = rng.random()
    if isinstance(value.dtype, Float):
        drawn = rng.normal(size=shape) * rng.choice([1, 1, 1, 100, 1e-30, 1e30])
        if kind < 0.1:
            drawn = np.where(rng.random(shape) < 0.3, rng.choice([np.nan, np.inf, -np.inf]), drawn)
        return np.asarray(drawn).astype(storage)
    if not isinstance(value.dtype, Int):
        return rng.choice(value.dtype.codes(), shape)
    low, high = value.dtype.qmin, value.dtype.qmax
    if value.dtype.bits > 16 and kind < 0.8:  # indices of a small table
        low, high = 0, 10
    if kind < 0.2:
        return rng.choice(np.array([low, high], storage), shape)
    return rng.integers(low, high, size=shape, endpoint=True, dtype=storage)
