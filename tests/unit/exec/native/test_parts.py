"""Batches that run in parts: when, and that it makes no difference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.exec import native, reference
from intact.exec.native import parts
from intact.exec.native.parts import samples_at_once
from intact.ir.float_ops import (
    Add,
    Concat,
    Embedding,
    Expand,
    FloatOp,
    Mean,
    Permute,
    Relu,
    Reshape,
    Softmax,
)
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp, Lookup, Program, QMatMul
from intact.ir.verify import verify
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import FP32, Int

INT8 = Int(8)
X = Value("x", (-1, 7), INT8)


def tables() -> Program:
    """Two lookups, so that there is a value in the arena."""
    middle, out = Value("m", X.shape, INT8), Value("y", X.shape, INT8)
    reverse = Lookup(np.arange(127, -129, -1), Relu())
    swap = Lookup(np.roll(np.arange(-128, 128), 5), Relu())
    return Graph((X,), (out,), (Node(reverse, (X,), middle), Node(swap, (middle,), out)), {})


@given(batch=st.integers(0, 500), arena=st.integers(0, 1 << 25))
def test_samples_divide_the_batch_and_fit(batch: int, arena: int) -> None:
    samples = samples_at_once(tables(), batch, arena)
    assert batch == 0 or batch % samples == 0
    assert samples <= 1 or samples * arena <= 8 << 20


def test_a_product_of_samples_runs_at_once() -> None:
    other = Value("z", (7, -1), INT8)
    requant = Requant(np.array([1 << 30]), np.array([-8]), 0, np.array([-128]), np.array([127]))
    out = Value("y", (-1, -1), INT8)
    paired = Graph((X, other), (out,), (Node(QMatMul(0, 0, requant), (X, other), out),), {})
    assert samples_at_once(paired, 64, 1 << 23) == 64


def mixed() -> dict[str, tuple[tuple[FloatOp, tuple[int, ...]], ...]]:
    """Operations one after the other, with their outputs' shapes, from (-1, 4) real numbers."""
    return {
        "samples joined": ((Concat(0), (-2, 4)),),
        "softmax over samples": ((Softmax(0), (-1, 4)),),
        "samples inside": ((Permute((1, 0)), (4, -1)), (Reshape((-4,)), (-4,))),
        "samples cut": ((Reshape((2, -2)), (2, -2)), (Permute((1, 0)), (-2, 2))),
        "mean of samples": ((Mean((0,), True), (1, 4)), (Expand((-1, 4)), (-1, 4))),
    }


@pytest.mark.parametrize("case", mixed())
def test_operations_over_samples_run_at_once(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_ARENA", 0)
    x = Value("x", (-1, 4), FP32)
    nodes: list[Node[IntOp]] = []
    for op, shape in mixed()[case]:
        last = nodes[-1].output if nodes else x
        read = (last, last) if isinstance(op, Concat) else (last,)
        nodes.append(Node(op, read, Value(f"v{len(nodes)}", shape, FP32)))
    program = Graph((x,), (nodes[-1].output,), tuple(nodes), {})
    verify(program)
    inputs = {"x": np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)}
    expected = reference.load(program)(inputs)[nodes[-1].name]
    made = native.load(program)(inputs)[nodes[-1].name]
    np.testing.assert_allclose(made, expected, rtol=1e-5)


def test_a_table_of_all_samples_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_ARENA", 0)
    indices, table = Value("i", (-1, 2), Int(64)), Value("t", (-1, 3), FP32)
    out = Value("y", (-1, 2, 3), FP32)
    program = Graph((indices, table), (out,), (Node(Embedding(), (indices, table), out),), {})
    inputs = {
        "i": np.array([[2, 1], [0, 2], [1, 1]]),
        "t": np.arange(9, dtype=np.float32).reshape(3, 3),
    }
    expected = reference.load(program)(inputs)["y"]
    np.testing.assert_array_equal(native.load(program)(inputs)["y"], expected)


def test_an_empty_batch_with_inputs_of_no_batch() -> None:
    fixed, out = Value("z", (1, 3), FP32), Value("y", (-1, 3), FP32)
    x = Value("x", (-1, 3), FP32)
    program = Graph((x, fixed), (out,), (Node(Add(), (x, fixed), out),), {})
    inputs = {"x": np.zeros((0, 3), np.float32), "z": np.ones((1, 3), np.float32)}
    assert native.load(program)(inputs)["y"].shape == (0, 3)


@pytest.mark.parametrize("batch", [0, 1, 6, 7])
def test_parts_give_the_same_codes(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_ARENA", 128)  # two samples
    program = tables()
    inputs = {"x": np.random.default_rng(0).integers(-128, 128, (batch, 7)).astype(np.int8)}
    expected = reference.load(program)(inputs)
    engine = native.load(program)
    np.testing.assert_array_equal(engine(inputs)["y"], expected["y"])
    assert engine.memory.arenas <= 128 + 64
    assert len(engine.profile(inputs)) == 2
