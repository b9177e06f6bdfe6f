"""Programs of one operation, and what runs them beside the reference."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from intact.exec import reference
from intact.exec.runner import Runner
from intact.ir.boundary import code_boundary
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp, Program
from intact.lower.lower import lower_with_reasons
from intact.numerics.arrays import Array
from intact.numerics.formats import Int
from tests.contract.test_lower import BATCH, Case, network, quantized


def program_of(case: Case, bits: int, rng: np.random.Generator, *, last: bool = True) -> Program:
    """The case's integers, from codes to codes."""
    graph = network(case, rng, last=last)
    inputs = {
        value.name: rng.normal(
            0.1, 1.5, [abs(n) * (BATCH if n < 0 else 1) for n in value.shape]
        ).astype(np.float32)
        for value in graph.inputs
    }
    lowered = lower_with_reasons(quantized(graph, inputs, Int(bits)))
    assert not lowered.stays_float
    return code_boundary(lowered.program).program


def draw_inputs(program: Program, rng: np.random.Generator, batch: int = 2) -> dict[str, Array]:
    """Codes over the whole range of every input."""
    drawn = {}
    for value in program.inputs:
        shape = [abs(n) * (batch if n < 0 else 1) for n in value.shape]
        assert isinstance(value.dtype, Int)
        codes = rng.integers(value.dtype.qmin, value.dtype.qmax + 1, shape)
        drawn[value.name] = codes.astype(value.dtype.storage)
    return drawn


def check(program: Program, load: Callable[[Program], Runner], rng: np.random.Generator) -> None:
    """The runner gives the reference's codes."""
    inputs = draw_inputs(program, rng)
    expected = reference.load(program)(inputs)
    made = load(program)(inputs)
    for name, codes in expected.items():
        assert made[name].dtype == codes.dtype
        np.testing.assert_array_equal(made[name], codes, err_msg=name)


def merged(programs: Mapping[str, Program]) -> Program:
    """One Program that computes all of them, with their keys before the names."""

    def renamed(value: Value, key: str) -> Value:
        return replace(value, name=f"{key}/{value.name}")

    def all_of(values: Callable[[Program], Iterable[Value]]) -> tuple[Value, ...]:
        return tuple(renamed(v, key) for key, p in programs.items() for v in values(p))

    nodes: list[Node[IntOp]] = []
    constants: dict[str, Array] = {}
    for key, program in programs.items():
        for node in program.nodes:
            inputs = tuple(renamed(value, key) for value in node.inputs)
            nodes.append(Node(node.op, inputs, renamed(node.output, key)))
        constants |= {f"{key}/{name}": array for name, array in program.constants.items()}
    return Graph(all_of(lambda p: p.inputs), all_of(lambda p: p.outputs), tuple(nodes), constants)
