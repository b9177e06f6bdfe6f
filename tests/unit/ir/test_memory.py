"""The memory plan: every value's bytes are intact whenever a node reads them."""

from collections.abc import Collection, Mapping
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intact.ir import float_ops as ops
from intact.ir import int_ops as q
from intact.ir.graph import Graph, Node, Value, elements, with_batch
from intact.ir.int_ops import IntOp, Program
from intact.ir.memory import MemoryPlan, plan, plan_device
from intact.ir.shapes import output_shape
from intact.numerics.arrays import Array
from intact.numerics.formats import Int
from tests.unit.ir.examples import requant

S8, S16 = Int(8), Int(16)
A, B = q.Operand(3, 1 << 30, 0), q.Operand(-4, 1 << 30, -3)
UNARY: tuple[IntOp, ...] = (
    q.Lookup(np.arange(-128, 128), ops.HardSwish()),
    q.Requantize(0, requant()),
    q.QMaxPool2d((1, 3), (1, 1), ((0, 0), (1, 1)), (1, 1)),  # cannot be in place
)
ADD, MUL = q.QAdd(A, B, 20, requant()), q.QMul(0, 0, requant())


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Images of one sample, sliced, joined, reshaped, and computed with, in any order."""
    inputs = tuple(
        Value(f"x{i}", (-1, draw(st.integers(1, 6)), 4, 3), draw(st.sampled_from([S8, S16])))
        for i in range(draw(st.integers(1, 2)))
    )
    values = list(inputs)
    nodes: list[Node[IntOp]] = []
    for index in range(draw(st.integers(1, 14))):
        x = draw(st.sampled_from(values))
        op, operands = draw(_operation(x, values))
        shape = output_shape(op, [value.shape for value in operands])
        widths = [S8, S16] if isinstance(op, q.Requantize) else [x.dtype]
        output = Value(f"v{index}", shape, draw(st.sampled_from(widths)))
        nodes.append(Node(op, operands, output))
        values.append(output)
    outputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))
    return Graph(inputs, tuple(outputs), tuple(nodes), {})


@st.composite
def _operation(draw: st.DrawFn, x: Value, values: list[Value]) -> tuple[IntOp, tuple[Value, ...]]:
    kind = draw(st.sampled_from(["unary", "pair", "slice", "concat", "reshape"]))
    alike = [v for v in values if v.dtype == x.dtype and v.shape[0] == x.shape[0]]
    match kind:
        case "pair":
            fits = [v for v in alike if v.shape in (x.shape, (*x.shape[:1], 1, *x.shape[2:]))]
            return draw(st.sampled_from([ADD, MUL])), (x, draw(st.sampled_from(fits)))
        case "slice":
            axis = draw(st.sampled_from([1, 1, 2]))
            start = draw(st.integers(0, x.shape[axis] - 1))
            stop = draw(st.integers(start + 1, x.shape[axis]))
            return ops.Slice(axis, start, stop, draw(st.sampled_from([1, 1, 2]))), (x,)
        case "concat":
            fits = [v for v in alike if v.shape[2:] == x.shape[2:]]
            others = draw(st.lists(st.sampled_from(fits), max_size=3))
            return ops.Concat(1), (x, *others)
        case "reshape":
            return ops.Reshape((-1, x.shape[2], x.shape[1], x.shape[3])), (x,)
        case _:
            return draw(st.sampled_from(UNARY)), (x,)


class Machine:
    """Memory in which every byte says which node wrote it, as which of its bytes."""

    def __init__(self, program: Program, planned: MemoryPlan, elsewhere: Collection[str]) -> None:
        self.program, self.planned = program, planned
        self.places = {place.name: place for place in planned.places}
        self.memory: dict[str | None, Array] = {None: np.full(planned.size, -1)}
        for value in program.values():
            if value.name in elsewhere:
                self.memory[value.name] = np.full(_bytes(value), -1)
        self.expected: dict[str, Array] = {}
        self.written = 0

    def run(self, scratch: Mapping[str, int]) -> None:
        for value in self.program.inputs:
            self._write(value, self._fresh(value))
        for node in self.program.nodes:
            if node.name in self.planned.moved:  # checked by those who read it
                self.expected[node.name] = self._moved(node)
                continue
            self._spoil(node.name, scratch)
            for value in node.inputs:
                self._check(value)
                assert self._apart(node, value)
            moves = isinstance(node.op, ops.Slice | ops.Concat | ops.Reshape)
            self._write(node.output, self._moved(node) if moves else self._fresh(node.output))
            self._spoil(node.name, scratch)
            self._check(node.output)
        for value in self.program.outputs:
            self._check(value)

    def _at(self, value: Value) -> Array:
        place = self.places[value.name]
        assert place.offset % value.dtype.storage.itemsize == 0
        assert place.size == _bytes(value)
        memory = self.memory[place.inside]
        assert 0 <= place.offset <= len(memory) - place.size
        return memory[place.offset : place.offset + place.size]

    def _fresh(self, value: Value) -> Array:
        self.written += 1
        return 10_000 * self.written + np.arange(_bytes(value))

    def _write(self, value: Value, tokens: Array) -> None:
        self._at(value)[:] = tokens
        self.expected[value.name] = tokens

    def _check(self, value: Value) -> None:
        np.testing.assert_array_equal(self._at(value), self.expected[value.name])

    def _moved(self, node: Node[IntOp]) -> Array:
        inputs = [
            self.expected[v.name].reshape(*with_batch(v.shape, 1), v.dtype.storage.itemsize)
            for v in node.inputs
        ]
        match node.op:
            case ops.Slice(axis, start, stop, step):
                index = (slice(None),) * axis + (slice(start, stop, step),)
                return inputs[0][index].ravel()
            case ops.Concat(axis):
                return np.concatenate(inputs, axis).ravel()
            case _:
                return inputs[0].ravel()

    def _spoil(self, name: str, scratch: Mapping[str, int]) -> None:
        if name in scratch:
            offset = self.planned.scratch[name]
            assert offset + scratch[name] <= self.planned.size
            self.memory[None][offset : offset + scratch[name]] = -2

    def _apart(self, node: Node[IntOp], value: Value) -> bool:
        """Whether the node may write its output while it reads the value."""
        out, x = self.places[node.name], self.places[value.name]
        if out.inside != x.inside or out.offset + out.size <= x.offset:
            return True
        if x.offset + x.size <= out.offset:
            return True
        single = isinstance(node.op, q.Lookup | q.Requantize | q.QAdd | q.QMul)
        same = elements(value.shape) == elements(node.output.shape)
        return single and same and out.offset == x.offset and out.size <= x.size


def _bytes(value: Value) -> int:
    return elements(value.shape) * value.dtype.storage.itemsize


@given(programs(), st.data())
def test_values_are_intact_when_they_are_read(program: Program, data: st.DataObject) -> None:
    ends = [value.name for value in (*program.inputs, *program.outputs)]
    elsewhere = data.draw(st.sets(st.sampled_from(ends)))
    names = [node.name for node in program.nodes]
    scratch = data.draw(st.dictionaries(st.sampled_from(names), st.integers(1, 100), max_size=3))
    planned = plan_device(program, elsewhere=elsewhere, scratch=scratch, alignment=4)
    for place in planned.places:
        assert place.inside is None or place.inside in elsewhere
    assert set(elsewhere) <= {place.name for place in planned.places if place.inside == place.name}
    assert planned.lower_bound <= planned.size
    scratch = {k: n for k, n in scratch.items() if k not in planned.moved}
    Machine(program, planned, elsewhere).run(scratch)


@given(programs())
def test_an_engine_shares_only_what_it_says(program: Program) -> None:
    """No operation in place, no view but the aliases."""
    aliases = {n.name: n.inputs[0].name for n in program.nodes if isinstance(n.op, ops.Reshape)}
    planned = plan(program, aliases=aliases)
    assert planned.moved == set(aliases)
    assert planned.lower_bound <= planned.size
    Machine(program, planned, ()).run({})


@settings(max_examples=20)
@given(programs())
def test_a_plan_is_reproducible(program: Program) -> None:
    assert plan_device(program) == plan_device(program)


@given(programs(), st.integers(1, 3))
def test_sharing_never_needs_more_at_once(program: Program, alignment: int) -> None:
    assert plan_device(program, alignment=8 * alignment).lower_bound <= plan(program).lower_bound


def chain(sizes: list[int]) -> Program:
    values = [Value(f"v{i}", (-1, n), S8) for i, n in enumerate(sizes)]
    nodes = tuple(Node(ops.Relu(), (a,), b) for a, b in pairwise(values))
    return Graph((values[0],), (values[-1],), nodes, {})


@pytest.mark.parametrize("batch", [1, 3])
def test_a_chain_needs_only_its_largest_neighbours(batch: int) -> None:
    planned = plan(chain([1600, 160, 3200, 16]), batch)
    assert planned.size == planned.lower_bound == batch * (3200 + 160)
    assert planned.peak == 1


def test_what_the_caller_stores_is_not_counted() -> None:
    planned = plan_device(chain([1600, 160, 3200]), elsewhere=["v0", "v2"])
    assert planned.size == 160
    assert [(p.name, p.inside) for p in planned.places] == [
        ("v0", "v0"),
        ("v1", None),
        ("v2", "v2"),
    ]


def test_elementwise_operations_work_in_the_memory_of_their_input() -> None:
    """And, where the last one writes the caller's output, there."""
    lookup = UNARY[0]
    values = [Value(f"v{i}", (-1, 10), S8) for i in range(4)]
    nodes = tuple(Node(lookup, (a,), b) for a, b in pairwise(values))
    program: Program = Graph((values[0],), (values[-1],), nodes, {})
    assert plan_device(program).size == 10
    planned = plan_device(program, elsewhere=["v0", "v3"])
    assert planned.size == 0
    assert {place.inside for place in planned.places} == {"v0", "v3"}


def test_bands_of_rows_are_cut_and_joined_for_nothing() -> None:
    """Half of x is free when the second band is computed: it never needs all of x and y."""
    x, y = Value("x", (-1, 8, 10, 1), S8), Value("y", (-1, 8, 10, 1), S8)
    nodes: list[Node[IntOp]] = []
    pool, parts = UNARY[2], []
    for k in range(2):
        cut, made = (Value(f"{name}{k}", (-1, 4, 10, 1), S8) for name in ("cut", "made"))
        nodes += [Node(ops.Slice(1, 4 * k, 4 * k + 4), (x,), cut), Node(pool, (cut,), made)]
        parts.append(made)
    nodes.append(Node(ops.Concat(1), tuple(parts), y))
    planned = plan_device(Graph((x,), (y,), tuple(nodes), {}), alignment=1)
    assert planned.moved == {"cut0", "cut1", "y"}
    assert planned.size == planned.lower_bound == 120
