"""Transposed convolutions of groups, which TFLite has not, as one for each group."""

from collections.abc import Iterator
from dataclasses import replace

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp, Program
from intact.numerics.arrays import Array
from intact.numerics.fixedpoint import Requant


def ungrouped(program: Program) -> Program:
    """The same codes from transposed convolutions without groups, between Slice and Concat."""
    constants: dict[str, Array] = dict(program.constants)
    nodes: list[Node[IntOp]] = []
    for node in program.nodes:
        if isinstance(node.op, int_ops.QConvTranspose2d) and node.op.groups > 1:
            nodes += _split(node, node.op, constants)
        else:
            nodes.append(node)
    return Graph(program.inputs, program.outputs, tuple(nodes), constants)


def _split(
    node: Node[IntOp], op: int_ops.QConvTranspose2d, constants: dict[str, Array]
) -> Iterator[Node[IntOp]]:
    x, weight, bias = node.inputs
    read, written = x.shape[3] // op.groups, node.output.shape[3] // op.groups
    made = []
    for group in range(op.groups):
        channels = slice(group * written, (group + 1) * written)
        name = f"{node.name}/group{group}"
        source = replace(x, name=f"{name}/x", shape=(*x.shape[:3], read))
        yield Node(ops.Slice(3, group * read, (group + 1) * read), (x,), source)
        parameters = [
            _part(value, channels, f"{name}/{value.name}", constants) for value in (weight, bias)
        ]
        output = replace(node.output, name=name, shape=(*node.output.shape[:3], written))
        points = op.weight_zero_point
        alone = replace(
            op,
            groups=1,
            weight_zero_point=points if points is None or len(points) == 1 else points[channels],
            requant=_channels(op.requant, channels),
        )
        yield Node(alone, (source, *parameters), output)
        made.append(output)
    yield Node(ops.Concat(3), tuple(made), node.output)


def _part(value: Value, rows: slice, name: str, constants: dict[str, Array]) -> Value:
    """Some rows of a constant as a constant of their own."""
    constants[name] = constants[value.name][rows]
    params = value.params
    if params is not None and params.scale.size > 1:
        points = None if params.zero_point is None else params.zero_point[rows]
        params = replace(params, scale=params.scale[rows], zero_point=points)
    return replace(value, name=name, shape=constants[name].shape, params=params)


def _channels(requant: Requant, channels: slice) -> Requant:
    names = [n for n in ("multiplier", "shift", "qmin", "qmax") if getattr(requant, n).size > 1]
    return replace(requant, **{name: getattr(requant, name)[channels] for name in names})
