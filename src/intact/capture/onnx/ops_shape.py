"""Operations of an ONNX file that move elements, as float ops."""

from dataclasses import replace

import numpy as np

from intact.capture.onnx.builder import Builder
from intact.capture.onnx.facts import FLOATS
from intact.capture.onnx.node import OnnxNode
from intact.capture.onnx.ops_select import sliced
from intact.ir import float_ops as ops
from intact.ir.graph import Shape, Value, elements

_MOST_PIECES = 64  # of a Tile


def identity(node: OnnxNode, net: Builder) -> None:
    """The value itself."""
    net.alias(node, net.value(node))


def dropout(node: OnnxNode, net: Builder) -> None:
    """Dropout, which is the identity in inference."""
    if net.extra_outputs(node):
        raise node.unsupported("gives out its mask", "Remove its second output")
    p = node.number("ratio", 0.5)
    if node.opset >= 12 and node.input(1):
        p = float(net.parameter(node, 1).reshape(-1)[0])
    shortened = replace(node, outputs=node.outputs[:1])
    net.emit(shortened, ops.Dropout(p), net.value(node))


def cast(node: OnnxNode, net: Builder) -> None:
    """A change between types of real numbers, or of integers: nothing, as both are captured."""
    x = net.value(node)
    source = net.facts.infos[node.inputs[0]].elem_type
    target = net.facts.infos[node.output].elem_type
    if (source in FLOATS) != (target in FLOATS):
        raise node.unsupported(
            "converts between integers and real numbers",
            "Convert outside of the network and pass the result as an input",
        )
    net.alias(node, x)


def reshape(node: OnnxNode, net: Builder) -> None:
    """Reshape, Flatten, Squeeze and Unsqueeze: all that counts is the new shape."""
    x, shape = net.value(node), net.facts.shape(node.output)
    if elements(shape) != elements(x.shape):
        raise node.malformed(f"turns {x.shape} into {shape}")
    if shape == x.shape:
        net.alias(node, x)
    else:
        net.emit(node, ops.Reshape(shape), x)


def transpose(node: OnnxNode, net: Builder) -> None:
    """Permute."""
    x = net.value(node)
    rank = len(x.shape)
    axes = node.integers("perm") or tuple(range(rank))[::-1]
    if sorted(axes) != list(range(rank)):
        raise node.malformed(f"permutes {rank} axes by {axes}")
    if axes == tuple(range(rank)):
        net.alias(node, x)
    else:
        net.emit(node, ops.Permute(axes), x)


def concat(node: OnnxNode, net: Builder) -> None:
    """Concat."""
    values = [net.value(node, index) for index in range(len(node.inputs))]
    if len(values) == 1:
        net.alias(node, values[0])
        return
    axis = node.integer("axis", 1) % len(values[0].shape)
    net.emit(node, ops.Concat(axis), *values)


def expand(node: OnnxNode, net: Builder) -> None:
    """Expand, with new axes first if there are any."""
    x, shape = net.value(node), net.facts.shape(node.output)
    if x.shape == shape:
        net.alias(node, x)
        return
    full = (1,) * (len(shape) - len(x.shape)) + x.shape
    if full != x.shape:
        x = net.step(f"{node.name}.reshape", ops.Reshape(full), [x], full)
    if full == shape:
        net.alias(node, x)
    else:
        net.emit(node, ops.Expand(shape), x)


def tile(node: OnnxNode, net: Builder) -> None:
    """Tile: axes of size 1 are expanded, others joined with themselves."""
    x, shape = net.value(node), net.facts.shape(node.output)
    grown = tuple(o if n == 1 else n for n, o in zip(x.shape, shape, strict=True))
    if grown != x.shape:
        x = net.step(f"{node.name}.expand", ops.Expand(grown), [x], grown)
    for axis, (n, o) in enumerate(zip(grown, shape, strict=True)):
        if n != o:
            if (n < 0) != (o < 0) or o // n > _MOST_PIECES:
                raise node.unsupported(f"repeats {n} to {o}", "Repeat fewer times")
            grown = (*grown[:axis], o, *grown[axis + 1 :])
            x = net.step(f"{node.name}.{axis}", ops.Concat(axis), [x] * (o // n), grown)
    net.alias(node, x)


_PAD_MODES = {
    "constant": ops.PadMode.CONSTANT,
    "reflect": ops.PadMode.REFLECT,
    "edge": ops.PadMode.REPLICATE,
    "wrap": ops.PadMode.CIRCULAR,
}


def pad(node: OnnxNode, net: Builder) -> None:
    """Pad; negative pads are cut off first, as torch does."""
    x = net.value(node)
    rank = len(x.shape)
    pads = net.integers(node, "pads", 1)
    axes = net.integers(node, "axes", 3) or tuple(range(rank))
    mode = _PAD_MODES.get(node.text("mode", "constant"))
    if pads is None or mode is None or len(pads) != 2 * len(axes):
        raise node.malformed(f"has pads {pads} for {len(axes)} axes, mode {node.text('mode', '')}")
    pairs = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        pairs[axis % rank] = (pads[i], pads[i + len(axes)])
    if any(pair != (0, 0) and dim < 0 for pair, dim in zip(pairs, x.shape, strict=True)):
        raise node.unsupported("pads the batch", "Pad later axes alone")
    x = _cropped(node, net, x, pairs)
    grown = tuple((max(a, 0), max(b, 0)) for a, b in pairs)
    _check_room(node, x, grown, mode)
    if all(pair == (0, 0) for pair in grown):
        net.alias(node, x)
    else:
        net.emit(node, ops.Pad(grown, mode, _pad_value(node, net)), x)


def _cropped(node: OnnxNode, net: Builder, x: Value, pairs: list[tuple[int, int]]) -> Value:
    for axis, (before, after) in enumerate(pairs):
        start, stop = max(0, -before), x.shape[axis] - max(0, -after)
        if x.shape[axis] > 0 and start >= stop:
            raise node.malformed(f"cuts away all of axis {axis}")
        if x.shape[axis] > 0 and (start, stop) != (0, x.shape[axis]):
            x = sliced(node, net, x, ops.Slice(axis, start, stop))
    return x


def _check_room(node: OnnxNode, x: Value, pairs: ops.Pads, mode: ops.PadMode) -> None:
    """Reflection and wrapping need enough of x to repeat."""
    slack = {ops.PadMode.REFLECT: 1, ops.PadMode.CIRCULAR: 0}.get(mode)
    for pair, dim in zip(pairs, x.shape, strict=True):
        if slack is not None and 0 < dim < max(pair) + slack:
            raise node.unsupported(f"pads {dim} elements by {max(pair)}", "Pad less")


def _pad_value(node: OnnxNode, net: Builder) -> float:
    if node.input(2):
        array = net.parameter(node, 2)
        return float(np.asarray(array, np.float64).reshape(-1)[0]) if array.size else 0.0
    return node.number("value", 0.0)


def depth_to_space(node: OnnxNode, net: Builder) -> None:
    """Reshape, Permute, Reshape; CRD is torch's pixel shuffle."""
    x, shape = net.value(node), net.facts.shape(node.output)
    block = node.integer("blocksize", 1)
    n, c, h, w = x.shape
    if node.text("mode", "DCR") == "CRD":
        apart, axes = (n, c // block**2, block, block, h, w), (0, 1, 4, 2, 5, 3)
    else:
        apart, axes = (n, block, block, c // block**2, h, w), (0, 3, 4, 1, 5, 2)
    _shuffle(node, net, x, apart, axes, shape)


def space_to_depth(node: OnnxNode, net: Builder) -> None:
    """The inverse of depth_to_space in mode DCR."""
    x, shape = net.value(node), net.facts.shape(node.output)
    block = node.integer("blocksize", 1)
    n, c, h, w = x.shape
    apart = (n, c, h // block, block, w // block, block)
    _shuffle(node, net, x, apart, (0, 3, 5, 1, 2, 4), shape)


def _shuffle(
    node: OnnxNode, net: Builder, x: Value, apart: Shape, axes: tuple[int, ...], shape: Shape
) -> None:
    if elements(apart) != elements(x.shape):
        raise node.malformed(f"cannot divide {x.shape} into blocks")
    split_x = net.step(f"{node.name}.split", ops.Reshape(apart), [x], apart)
    moved = tuple(apart[axis] for axis in axes)
    turned = net.step(f"{node.name}.permute", ops.Permute(axes), [split_x], moved)
    net.emit(node, ops.Reshape(shape), turned)
