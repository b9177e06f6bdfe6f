"""Recurrence: what a `Scan` or `QScan` and its body are to the graph around them.

The first input of a body is one step of x, the next ones are the states, the rest is what the body
reads from outside. `flattened` and `unrolled` are for whoever need not know of bodies.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

from intact.ir.attributes import check_same_dtype
from intact.ir.dims import check_axis, fixed_size
from intact.ir.float_ops import Concat, FloatOp, Reshape, Scan, Slice
from intact.ir.graph import Graph, Node, Shape, Value, free_name
from intact.ir.int_ops import IntOp, Program, QScan
from intact.numerics.arrays import Array

Loop: TypeAlias = Scan | QScan
OpT = TypeVar("OpT", FloatOp, IntOp)


def states(op: Loop) -> int:
    """How many states the body carries from step to step."""
    return len(op.body.outputs)


def time_steps(op: Loop, x: Shape) -> range:
    """The steps in the order in which they run, given the shape of x."""
    steps = range(x[op.axis])
    return steps[::-1] if op.reverse else steps


def body_of(op: Loop, inputs: Sequence[Value], constants: Mapping[str, Array]) -> Program:
    """The body as a graph of its own, with the constants that the node with these inputs reads."""
    carried = 1 + states(op)
    pairs = list(zip(op.body.inputs, inputs, strict=True))
    known = {
        inner.name: constants[outer.name]
        for inner, outer in pairs[carried:]
        if outer.name in constants
    }
    given = tuple(value for value in op.body.inputs if value.name not in known)
    return Graph[IntOp](given, op.body.outputs, op.body.nodes, known)


def every_node(graph: Graph[OpT]) -> Iterator[Node[OpT]]:
    """The nodes in order, each body's ahead of the first node that runs it."""
    seen: set[str] = set()
    for node in graph.nodes:
        if isinstance(node.op, Scan | QScan):
            for inner in node.op.body.nodes:
                if inner.name not in seen:
                    seen.add(inner.name)
                    yield inner
        yield node


def flattened(graph: Graph[OpT]) -> Graph[OpT]:
    """The graph with the nodes of bodies among its own: to look at, not to run."""
    return replace(graph, nodes=tuple(every_node(graph)))


# --- rules -----------------------------------------------------------------------------------


def scanned(op: Loop, inputs: Sequence[Shape]) -> Shape:
    """Shape of the output.

    Raises:
        ValueError: if the inputs do not fit the body, or the body does not fit itself.
    """
    expected = [value.shape for value in op.body.inputs]
    after = [value.shape for value in op.body.outputs]
    if not 0 <= op.state < len(after) < len(expected) == len(inputs):
        raise ValueError(
            f"state {op.state} of {len(after)}, {len(inputs)} inputs, of the body {len(expected)}"
        )
    x, *rest = inputs
    check_axis(op.axis, x)
    if op.axis > len(after[op.state]):
        raise ValueError(f"a state of shape {after[op.state]} makes no sequence along {op.axis}")
    steps = fixed_size("the axis of time", x[op.axis])
    given = [(*x[: op.axis], *x[op.axis + 1 :]), *rest]
    if given != expected or after != expected[1 : 1 + len(after)]:
        raise ValueError(f"a body from shapes {expected} to {after} does not fit {given}")
    return (*after[op.state][: op.axis], steps, *after[op.state][op.axis :])


def check_scan(op: Loop, inputs: Sequence[Value], output: Value) -> None:
    """Formats and params inside of the body are those outside.

    Raises:
        ValueError: says which are not.
    """
    written = {node.name for node in op.body.nodes}
    before, after = op.body.inputs[1 : 1 + states(op)], op.body.outputs
    if len({value.name for value in after} & written) < len(after):
        raise ValueError("each state needs a node of the body that writes it")
    pairs = [
        *zip(op.body.inputs, inputs, strict=True),
        *zip(before, after, strict=True),
        (after[op.state], output),
    ]
    for a, b in pairs:
        check_same_dtype(a, b)
        if a.params != b.params:
            raise ValueError(f'the params of "{a.name}" are not those of "{b.name}"')


# --- without loops ---------------------------------------------------------------------------


def unrolled(program: Program) -> Program:
    """The same integers without loops: the nodes of each body once for each step."""
    if not any(isinstance(node.op, Scan | QScan) for node in program.nodes):
        return program
    taken = {value.name for value in program.values()} | program.constants.keys()

    def fresh(value: Value, name: str) -> Value:
        made = replace(value, name=free_name(name, taken))
        taken.add(made.name)
        return made

    nodes: list[Node[IntOp]] = []
    for node in program.nodes:
        if isinstance(node.op, Scan | QScan):
            nodes += _steps(node.op, node, fresh)
        else:
            nodes.append(node)
    return replace(program, nodes=tuple(nodes))


def _steps(
    op: Loop, node: Node[IntOp], fresh: Callable[[Value, str], Value]
) -> Iterator[Node[IntOp]]:
    x, count = node.inputs[0], states(op)
    carried, rest = list(node.inputs[1 : 1 + count]), node.inputs[1 + count :]
    parts: dict[int, Value] = {}
    for step in time_steps(op, x.shape):
        cut_shape = (*x.shape[: op.axis], 1, *x.shape[op.axis + 1 :])
        cut = fresh(replace(x, shape=cut_shape), f"{node.name}.x.{step}")
        yield Node(Slice(op.axis, step, step + 1), (x,), cut)
        given = fresh(op.body.inputs[0], f"{op.body.inputs[0].name}.{step}")
        yield Node(Reshape(given.shape), (cut,), given)
        inner = (value.name for value in op.body.inputs)
        env = dict(zip(inner, (given, *carried, *rest), strict=True))
        for each in op.body.nodes:
            env[each.name] = fresh(each.output, f"{each.name}.{step}")
            yield Node(each.op, tuple(env[v.name] for v in each.inputs), env[each.name])
        carried = [env[value.name] for value in op.body.outputs]
        state = carried[op.state]
        shape = (*state.shape[: op.axis], 1, *state.shape[op.axis :])
        parts[step] = fresh(replace(state, shape=shape), f"{node.name}.{step}")
        yield Node(Reshape(shape), (state,), parts[step])
    yield Node(Concat(op.axis), tuple(parts[step] for step in sorted(parts)), node.output)
