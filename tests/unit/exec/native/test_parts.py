"""Batches that run in parts: when, and that it makes no difference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intact.exec import native, reference
from intact.exec.native import parts
from intact.exec.native.parts import samples_at_once
from intact.ir.float_ops import Relu
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Lookup, Program, QMatMul
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Int

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
