"""Recurrence: the body in integers; states stay codes between steps (arithmetic.md, section 15)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from intact.ir import int_ops
from intact.ir.float_ops import FloatOp, Scan
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntBodyOp, Program
from intact.ir.scans import states
from intact.lower.builder import Builder, Layout
from intact.lower.elementwise import rescaled
from intact.lower.requant import integer_format
from intact.model import QuantizedModel

LowerNodes = Callable[[Builder, Sequence[Node[FloatOp]]], None]


def lower_scan(build: Builder, node: Node[FloatOp], lower_nodes: LowerNodes) -> str | None:
    """Scan → QScan, if anything in its body has codes; `lower_nodes` lowers what is in the body."""
    op = node.op
    assert isinstance(op, Scan)
    inside = [value.name for value in (*op.body.inputs, *(n.output for n in op.body.nodes))]
    if not any(integer_format(build.params.get(name)) or name in build.dynamic for name in inside):
        return "its states are float"
    body, constants = _body(build, op, lower_nodes)
    carried = body.inputs[: 1 + states(op)]
    names = [value.name for value in node.inputs]
    given = [_form(build, names[0], carried[0])]
    for name, before in zip(names[1:], carried[1:], strict=False):
        given.append(_start(build, node, name, before))
    lowered = int_ops.QScan(body, op.axis, op.state, op.reverse)
    if body.outputs[op.state].params is None:
        output = build.real_output(node.output)
    else:
        output = build.codes_output(node.name, Layout.PLAIN)
    build.emit(lowered, (*given, *constants), output)
    return None


def _body(
    build: Builder, op: Scan, lower_nodes: LowerNodes
) -> tuple[Graph[IntBodyOp], tuple[Value, ...]]:
    """The body, and the values outside that it reads besides x and the states."""
    read = {value.name for value in op.body.inputs[1 + states(op) :]}
    constants = {name: build.graph.constants[name] for name in read}
    graph = Graph[FloatOp](op.body.inputs[: 1 + states(op)], (), op.body.nodes, constants)
    inner = Builder(QuantizedModel(graph, build.weights, {}), build.known)
    given = tuple(inner.given(value) for value in graph.inputs)
    lower_nodes(inner, graph.nodes)
    outputs = tuple(
        _form(inner, value.name, like)
        for value, like in zip(op.body.outputs, given[1:], strict=True)
    )
    return _outside(build, inner.computing(given, outputs))


def _outside(build: Builder, body: Program) -> tuple[Graph[IntBodyOp], tuple[Value, ...]]:
    """Moves constants, and what is computed from them alone, out of the body."""
    moved: dict[str, Value] = {}  # by the name inside
    kept: list[Node[IntBodyOp]] = []
    for node in body.nodes:
        for value in node.inputs:
            if value.name in body.constants and value.name not in moved:
                array = body.constants[value.name]
                moved[value.name] = build.constant(value.name, array, value.dtype, value.params)
        inputs = tuple(moved.get(value.name, value) for value in node.inputs)
        if all(value.name in moved for value in node.inputs):
            name = build.unique(node.name)
            moved[node.name] = build.emit(node.op, inputs, replace(node.output, name=name))
        else:
            assert isinstance(node.op, IntBodyOp)
            kept.append(Node(node.op, inputs, node.output))
    read = {value.name for node in kept for value in node.inputs}
    constants = tuple(value for value in moved.values() if value.name in read)
    return Graph((*body.inputs, *constants), body.outputs, tuple(kept), {}), constants


def _form(build: Builder, name: str, like: Value) -> Value:
    """The value as codes or as real numbers, as `like` is."""
    return build.real(name) if like.params is None else build.codes(name, Layout.PLAIN)


def _start(build: Builder, node: Node[FloatOp], name: str, state: Value) -> Value:
    """The initial value of a state in the state's own codes."""
    params, own = state.params, build.params.get(name)
    if params is None:
        return build.real(name)
    if own is None or integer_format(own) is None:
        output = Value(build.unique(f"{name}.codes"), state.shape, params.format, params)
        return build.emit(int_ops.Quantize(params), (build.real(name),), output)
    codes = build.codes(name, Layout.PLAIN)
    return codes if own == params else rescaled(build, codes, own, node, params)
