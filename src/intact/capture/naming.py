"""Makes the Graph: drops what no output needs, and gives everything the name the user knows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from intact.capture.builder import Builder, Constant, Origin
from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.ir.scans import every_node
from intact.numerics.arrays import Array


class Names:
    """Hands out each name once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, name: str) -> str:
        """The name, or with the first free one of _1, _2, ..."""
        count, free = 0, name
        while free in self._taken:
            count += 1
            free = f"{name}_{count}"
        self._taken.add(free)
        return free


def finish(
    builder: Builder, inputs: Sequence[Value], outputs: Sequence[tuple[Value, str | None]]
) -> Graph[FloatOp]:
    """The graph of what the outputs need.

    Names, in order of precedence: the inputs' own; an output's given name; a parameter's
    state-dict name; the path of a module that calls no others for the last value computed in it;
    path and function for every other value; reader and role for a literal.
    """
    nodes = _needed(builder, outputs)
    used = {value.name for node in nodes for value in node.inputs}
    names = Names()
    final = {value.name: names.unique(value.name) for value in inputs}
    for value, name in outputs:
        if name is not None and value.name not in final:
            final[value.name] = names.unique(name)
    constants = {key: c for key, c in builder.constants.items() if key in used}
    for key, constant in constants.items():
        if constant.name is not None and constant.origin is None:
            final[key] = names.unique(constant.name)
    live = {value.name for value in _computed(nodes)} | constants.keys()
    for key, name in _paths(builder, nodes, live).items():
        if key not in final:
            final[key] = names.unique(name)
    _name_literals(nodes, constants, final, names)
    return _renamed(nodes, inputs, [value for value, _ in outputs], constants, final)


def _computed(nodes: Sequence[Node[FloatOp]]) -> Iterator[Value]:
    """What the nodes and their bodies write, and what these bodies are given."""
    for node in every_node(Graph((), (), tuple(nodes), {})):
        if isinstance(node.op, ops.Scan):
            yield from node.op.body.inputs
        yield node.output


def _needed(builder: Builder, outputs: Sequence[tuple[Value, str | None]]) -> list[Node[FloatOp]]:
    needed = {value.name for value, _ in outputs}
    kept: list[Node[FloatOp]] = []
    for name in reversed(builder.nodes):
        if name in needed:
            kept.append(builder.nodes[name])
            needed |= {value.name for value in builder.nodes[name].inputs}
    for index, (value, name_of) in enumerate(outputs):
        if value.name in builder.constants:
            raise UnsupportedOpError(
                f"output {name_of or index} of the model is a constant: it does not depend on the"
                " input. Leave it out of the model's result."
            )
    return kept[::-1]


def _paths(builder: Builder, nodes: Sequence[Node[FloatOp]], live: set[str]) -> dict[str, str]:
    """Module path, or path and function, of every live node and computed constant."""
    origins = {key: origin for key, origin in builder.origins.items() if key in live}
    functions = {key: origin.function for key, origin in origins.items()}
    functions.update(_attention_names(nodes, origins))
    last = {origin.calls: key for key, origin in origins.items() if origin.leaf and origin.path}
    return {
        key: origin.path
        if last.get(origin.calls) == key
        else ".".join(filter(None, (origin.path, functions[key])))
        for key, origin in origins.items()
    }


def _attention_names(
    nodes: Sequence[Node[FloatOp]], origins: Mapping[str, Origin]
) -> dict[str, str]:
    """The product before a softmax is called scores, the one after it context."""
    graph = Graph((), (), tuple(nodes), {})
    producers, readers = graph.producers(), graph.consumers()
    found: dict[str, str] = {}
    for node in nodes:
        if not isinstance(node.op, ops.Softmax):
            continue
        before = producers.get(node.inputs[0].name)
        while before and isinstance(before.op, ops.Add | ops.Mul | ops.Reshape | ops.Dropout):
            before = producers.get(before.inputs[0].name)
        after: Node[FloatOp] | None = node
        while after and isinstance(after.op, ops.Softmax | ops.Reshape | ops.Dropout):
            after = next(iter(readers.get(after.name, ())), None)
        for neighbour, name in ((before, "scores"), (after, "context")):
            if neighbour and isinstance(neighbour.op, ops.MatMul):
                found[neighbour.name] = name
    return {key: name for key, name in found.items() if key in origins}


def _name_literals(
    nodes: Sequence[Node[FloatOp]],
    constants: Mapping[str, Constant],
    final: dict[str, str],
    names: Names,
) -> None:
    for node in nodes:
        for value in node.inputs:
            if value.name not in final:
                role = constants[value.name].role
                final[value.name] = names.unique(f"{final[node.name]}.{role}")


def _renamed(
    nodes: Sequence[Node[FloatOp]],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    constants: Mapping[str, Constant],
    final: Mapping[str, str],
) -> Graph[FloatOp]:
    def renamed(values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(replace(value, name=final[value.name]) for value in values)

    return Graph(
        renamed(inputs),
        renamed(outputs),
        tuple(Node(_inside(n.op, renamed), renamed(n.inputs), *renamed([n.output])) for n in nodes),
        {final[key]: _array(constant) for key, constant in constants.items()},
    )


def _inside(op: FloatOp, renamed: Callable[[Sequence[Value]], tuple[Value, ...]]) -> FloatOp:
    """The operation with the values of its body renamed."""
    if not isinstance(op, ops.Scan):
        return op
    body = op.body
    nodes = tuple(Node(n.op, renamed(n.inputs), *renamed([n.output])) for n in body.nodes)
    return replace(op, body=Graph(renamed(body.inputs), renamed(body.outputs), nodes, {}))


def _array(constant: Constant) -> Array:
    """A copy in the storage type of the constant's format."""
    tensor = constant.tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()
    return np.array(tensor.numpy(), dtype=constant.dtype.storage, order="C")
