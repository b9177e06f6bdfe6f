"""Reshape, permute, slice, expand, pad: codes move, their meaning stays."""

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Node
from intact.lower.builder import Builder, Layout, permuted, stored_axes
from intact.lower.elementwise import rescaled
from intact.lower.params import all_params
from intact.lower.requant import coded, integer_format


def lower_movement(build: Builder, node: Node[FloatOp]) -> str | None:
    """Moves codes where the input has them."""
    name = node.inputs[0].name
    params = build.params.get(name)
    if params is None or integer_format(params) is None:
        return "its input is float"
    match node.op:
        case ops.Reshape(shape):
            _reshape(build, node, shape)
        case ops.Permute(axes):
            _permute(build, node, axes)
        case ops.Slice(axis, start, stop, step):
            layout, stored = _stored(build, name)
            sliced = ops.Slice(stored.index(axis), start, stop, step)
            _emit(build, node, sliced, layout)
        case ops.Expand(shape):
            layout, stored = _stored(build, name)
            _emit(build, node, ops.Expand(permuted(shape, stored)), layout)
        case ops.Pad():
            return _pad(build, node, node.op)
        case _:
            raise AssertionError(node.op)
    return None


def _stored(build: Builder, name: str) -> tuple[Layout, tuple[int, ...]]:
    layout = build.layout(name)
    return layout, stored_axes(build.rank(name), layout)


def _emit(build: Builder, node: Node[FloatOp], op: FloatOp, layout: Layout) -> None:
    x = build.codes(node.inputs[0].name, layout)
    build.emit(op, (x,), build.codes_output(node.name, layout))


def _reshape(build: Builder, node: Node[FloatOp], shape: tuple[int, ...]) -> None:
    """Channels last is as good as plain where every space axis has one entry."""
    name = node.inputs[0].name
    if shape == build.shapes[name]:
        build.alias(node.name, name, build.layout(name))
        return
    single = build.rank(name) > 2 and all(n == 1 for n in build.shapes[name][2:])
    x = build.codes(name, build.layout(name) if single else Layout.PLAIN)
    build.emit(ops.Reshape(shape), (x,), build.codes_output(node.name, Layout.PLAIN))


def _pad(build: Builder, node: Node[FloatOp], op: ops.Pad) -> str | None:
    """Pads with the code of the number, after bringing x to parameters that cover the number."""
    params = all_params(build, node, node.name)
    if isinstance(params, str):
        return params
    source, output = params
    layout, stored = _stored(build, node.inputs[0].name)
    x = build.codes(node.inputs[0].name, layout)
    if build.params[node.inputs[0].name] != output:
        x = rescaled(build, x, source, node, output)
    code = float(coded(output).quantize(np.asarray(op.value, np.float32)))
    padded = ops.Pad(tuple(op.pads[axis] for axis in stored), op.mode, code)
    build.emit(padded, (x,), build.codes_output(node.name, layout))
    return None


def _permute(build: Builder, node: Node[FloatOp], axes: tuple[int, ...]) -> None:
    """Permutes what is stored; nothing to do if it is stored in the asked order already."""
    layout, stored = _stored(build, node.inputs[0].name)
    x = build.codes(node.inputs[0].name, layout)
    order = tuple(stored.index(axis) for axis in axes)
    output = build.codes_output(node.name, Layout.PLAIN)
    unchanged = order == tuple(range(len(order)))
    build.emit(ops.Reshape(output.shape) if unchanged else ops.Permute(order), (x,), output)
