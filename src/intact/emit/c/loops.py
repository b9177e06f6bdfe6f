"""Loops: the body's calls within a for statement, its values in scratch memory of the node."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from intact.emit.c.site import Site, volume
from intact.ir.graph import Graph, Node, Value, with_batch
from intact.ir.int_ops import IntOp, Program, QScan
from intact.ir.memory import plan_device
from intact.ir.scans import body_of, states, time_steps

LOOP_ALIGNMENT = 8  # bytes: codes of any type


@dataclass(frozen=True, slots=True)
class LoopMemory:
    """Where the values of a body lie, counted from the scratch memory of its node."""

    body: Program
    offsets: Mapping[str, int]
    size: int
    moved: frozenset[str]  # nodes of the body that have nothing to do


def is_loop(node: Node[IntOp]) -> bool:
    """Whether C runs the node as a loop: the entries of each step are one run of bytes."""
    shape = node.inputs[0].shape if node.inputs else ()
    return isinstance(node.op, QScan) and volume(with_batch(shape, 1)[: node.op.axis]) == 1


def one_sample(node: Node[IntOp], one: Callable[[Value], Value]) -> IntOp:
    """The operation with a body for one sample."""
    if not isinstance(node.op, QScan):
        return node.op
    body = node.op.body
    nodes = tuple(Node(n.op, tuple(map(one, n.inputs)), one(n.output)) for n in body.nodes)
    inputs, outputs = tuple(map(one, body.inputs)), tuple(map(one, body.outputs))
    return replace(node.op, body=Graph(inputs, outputs, nodes, {}))


def loop_memory(node: Node[IntOp], program: Program) -> LoopMemory:
    """States before and after a step, then whatever a step computes on the way."""
    op = node.op
    assert isinstance(op, QScan)
    body = body_of(op, node.inputs, program.constants)
    kept = (*op.body.inputs[1 : 1 + states(op)], *op.body.outputs)
    given = {value.name for value in body.inputs[1:]}
    offsets: dict[str, int] = {}
    size = 0
    for value in kept:
        offsets[value.name] = size
        size += _aligned(_bytes(value))
    elsewhere = given | {value.name for value in op.body.outputs}
    planned = plan_device(body, elsewhere=elsewhere, alignment=LOOP_ALIGNMENT)
    kept_at = dict(offsets)
    for place in planned.places:  # some share the memory of a state
        if place.name not in given:
            start = size if place.inside is None else kept_at[place.inside]
            offsets.setdefault(place.name, start + place.offset)
    return LoopMemory(body, offsets, size + _aligned(planned.size), planned.moved)


def loop(site: Site, memory: LoopMemory, base: int, call: Callable[[Site], list[str]]) -> list[str]:
    """The statements of a loop whose scratch memory begins at `base` of the arena."""
    op, node = site.node.op, site.node
    assert isinstance(op, QScan)
    places = {name: f"&arena.bytes[{base + at}]" for name, at in memory.offsets.items()}
    pairs = list(zip(op.body.inputs, node.inputs, strict=True))
    outside = {
        inner.name: site.places[outer.name]
        for inner, outer in pairs[1 + states(op) :]
        if outer.name in site.places
    }
    inner = replace(site, places={**outside, **places}, constants=memory.body.constants)
    step, before, after = op.body.inputs[0], op.body.inputs[1:], op.body.outputs
    steps = len(time_steps(op, node.inputs[0].shape))
    index = f"({steps - 1} - t)" if op.reverse else "t"
    written = after[op.state]
    lines = [
        f"memcpy({places[state.name]}, {site.read(value)}, {_bytes(state)});"
        for state, value in pairs[1 : 1 + states(op)]
    ]
    lines += [
        "int32_t t;",
        f"for (t = 0; t < {steps}; ++t) {{",
        f"  memcpy({places[step.name]}, (const uint8_t*){site.read(node.inputs[0])}"
        f" + {index} * {_bytes(step)}, {_bytes(step)});",
    ]
    for number, each in enumerate(memory.body.nodes):
        if each.name not in memory.moved:
            made = call(replace(inner, node=each, name=f"{site.name}_{number}"))
            lines += made if len(made) == 1 else ["{", *made, "}"]
    lines.append(
        f"  memcpy((uint8_t*){site.write()} + {index} * {_bytes(written)},"
        f" {places[written.name]}, {_bytes(written)});"
    )
    lines += [
        f"  memcpy({places[old.name]}, {places[new.name]}, {_bytes(new)});"
        for old, new in zip(before, after, strict=False)
    ]
    return [*lines, "}"]


def _bytes(value: Value) -> int:
    return volume(value.shape) * value.dtype.storage.itemsize


def _aligned(size: int) -> int:
    return -(-size // LOOP_ALIGNMENT) * LOOP_ALIGNMENT
