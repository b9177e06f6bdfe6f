"""Pad before a convolution → the convolution's own padding (TensorFlow's asymmetric "same")."""

from dataclasses import replace

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.passes.rewrite import sole_reader, substitute


def fuse_pad(graph: Graph[FloatOp]) -> Graph[FloatOp]:
    """The graph with zero padding moved into convolutions.

    A `Pad` is fused where it (1) pads with constant zero, (2) leaves the batch and channel axes
    alone and crops nothing, and (3) is read by one `Conv` only, as its x.
    """
    fused: dict[str, Value] = {}  # what a fused Pad read, by the Pad's name
    pads: dict[str, ops.Pads] = {}  # its pads of the space axes
    nodes: list[Node[FloatOp]] = []
    for old in graph.nodes:
        node = substitute(old, fused)
        if isinstance(node.op, ops.Pad) and _fits(node.op) and _feeds_conv(graph, old):
            fused[node.name] = node.inputs[0]
            pads[node.name] = node.op.pads[2:]
            continue
        if isinstance(node.op, ops.Conv) and old.inputs[0].name in pads:
            padding = _sum(node.op.padding, pads[old.inputs[0].name])
            node = replace(node, op=replace(node.op, padding=padding))
        nodes.append(node)
    return Graph(graph.inputs, graph.outputs, tuple(nodes), graph.constants)


def _fits(pad: ops.Pad) -> bool:
    zero = pad.mode is ops.PadMode.CONSTANT and pad.value == 0
    space_only = all(pair == (0, 0) for pair in pad.pads[:2])
    return zero and space_only and all(side >= 0 for pair in pad.pads for side in pair)


def _feeds_conv(graph: Graph[FloatOp], pad: Node[FloatOp]) -> bool:
    reader = sole_reader(graph, pad.output)
    if reader is None or not isinstance(reader.op, ops.Conv):
        return False
    return [value.name == pad.name for value in reader.inputs] == [True] + [False] * (
        len(reader.inputs) - 1
    )


def _sum(a: ops.Pads, b: ops.Pads) -> ops.Pads:
    return tuple((p[0] + q[0], p[1] + q[1]) for p, q in zip(a, b, strict=True))
