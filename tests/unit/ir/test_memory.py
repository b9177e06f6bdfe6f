"""The memory plan: values that live together never overlap, and reuse saves memory."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from intact.ir import float_ops as ops
from intact.ir.graph import Graph, Node, Value, elements
from intact.ir.int_ops import Program
from intact.ir.memory import plan
from intact.numerics.formats import Int


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Chains with skip connections of random sizes; shapes need not fit the operations."""
    values = [Value("x", (-1, draw(st.integers(1, 300))), Int(8))]
    nodes = []
    for index in range(draw(st.integers(1, 12))):
        shape = (-1, draw(st.integers(1, 300)))
        output = Value(f"v{index}", shape, Int(draw(st.sampled_from([8, 16]))))
        readers = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2))
        nodes.append(Node(ops.Add(), tuple(readers), output))
        values.append(output)
    return Graph((values[0],), (values[-1],), tuple(nodes), {})


@given(programs(), st.integers(1, 3))
def test_values_that_live_together_do_not_overlap(program: Program, batch: int) -> None:
    placed = plan(program, batch)
    outputs = {value.name for value in program.outputs}
    sizes = {v.name: elements(v.shape, batch) * v.dtype.storage.itemsize for v in program.values()}
    readers = program.consumers()
    steps = {node.name: step for step, node in enumerate(program.nodes)}

    def life(name: str) -> tuple[int, int]:
        reads = [steps[node.name] for node in readers.get(name, [])]
        end = len(program.nodes) if name in outputs else max(reads, default=steps.get(name, -1))
        return steps.get(name, -1), end

    names = list(placed.offsets)
    assert set(names) == {"x", *steps}
    for i, a in enumerate(names):
        assert placed.offsets[a] + sizes[a] <= placed.size
        for b in names[:i]:
            together = life(a)[0] <= life(b)[1] and life(b)[0] <= life(a)[1]
            start, end = placed.offsets[a], placed.offsets[a] + sizes[a]
            other = placed.offsets[b]
            assert not together or end <= other or other + sizes[b] <= start


def test_a_chain_needs_only_its_largest_neighbours() -> None:
    sizes = [1600, 160, 3200, 16]
    values = [Value(f"v{i}", (-1, n), Int(8)) for i, n in enumerate(sizes)]
    nodes = tuple(Node(ops.Relu(), (a,), b) for a, b in pairwise(values))
    program: Program = Graph((values[0],), (values[-1],), nodes, {})
    assert plan(program).size == 3200 + 160
