"""Pooling, means and resizing (arithmetic.md, section 9)."""

import math

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.float_ops import FloatOp, Pads
from intact.ir.graph import Node, with_batch
from intact.lower.builder import Builder, Layout, stored_axes
from intact.lower.images import as_image, emit_image, image_pads, image_pair
from intact.lower.params import all_params
from intact.lower.requant import requant
from intact.numerics.fixedpoint import Requant, divided
from intact.numerics.formats import Binary
from intact.numerics.qtensor import QuantParams, scalar_scale, scalar_zero_point

NO_PADS: Pads = ((0, 0), (0, 0))


def lower_pool(build: Builder, node: Node[FloatOp]) -> str | None:
    """MaxPool, AvgPool, AdaptiveAvgPool, ResizeNearest, ResizeBilinear: same scale in and out."""
    params = all_params(build, node, node.name)
    if isinstance(params, str):
        return params
    source = node.inputs[0].name
    space = build.shapes[source][2:]
    op = _image_op(node.op, space, scalar_zero_point(params[0]))
    if (
        isinstance(op, int_ops.QAvgPool2d)
        and math.prod(op.kernel) << params[0].format.bits >= 2**31
    ):
        return f"the sum over a window of {op.kernel} overflows 32 bits"
    x = as_image(build, build.codes(source, Layout.LAST), source)
    emit_image(build, op, (x,), node.name)
    return None


def _image_op(op: FloatOp, space: tuple[int, ...], zero_point: int) -> int_ops.IntOp:
    match op:
        case ops.MaxPool(kernel, stride, padding, dilation):
            return int_ops.QMaxPool2d(
                image_pair(kernel), image_pair(stride), image_pads(padding), image_pair(dilation)
            )
        case ops.AvgPool(kernel, stride, padding, count_include_pad, overhang):
            return int_ops.QAvgPool2d(
                image_pair(kernel),
                image_pair(stride),
                image_pads(padding),
                count_include_pad,
                image_pair(overhang, 0),
                zero_point,
            )
        case ops.AdaptiveAvgPool(size) if all(n % m == 0 for n, m in zip(space, size, strict=True)):
            window = image_pair(tuple(n // m for n, m in zip(space, size, strict=True)))
            return int_ops.QAvgPool2d(window, window, NO_PADS, False, (0, 0), zero_point)
        case ops.AdaptiveAvgPool(size):
            return int_ops.QAdaptiveAvgPool2d(image_pair(size))
        case ops.ResizeNearest(size):
            return int_ops.QResizeNearest2d(image_pair(size))
        case ops.ResizeBilinear(size, align_corners):
            return int_ops.QResizeBilinear2d(image_pair(size), align_corners)
        case _:
            raise AssertionError(op)


def lower_mean(build: Builder, node: Node[FloatOp]) -> str | None:
    """Mean → QMean, over the axes as they are stored."""
    params = all_params(build, node, node.name)
    if isinstance(params, str):
        return params
    source, output = params
    op = node.op
    assert isinstance(op, ops.Mean)
    name = node.inputs[0].name
    layout = build.layout(name)
    stored = stored_axes(build.rank(name), layout)
    left = [axis for axis in stored if axis not in op.axes]
    if not op.keepdims and left != sorted(left):
        layout, stored = Layout.PLAIN, stored_axes(build.rank(name), Layout.PLAIN)
    shape = with_batch(build.shapes[name], 1)
    count = math.prod(shape[axis] for axis in op.axes)
    scaled = _mean_requant(source, output, count)
    axes = tuple(sorted(stored.index(axis) for axis in op.axes))
    lowered = int_ops.QMean(axes, op.keepdims, scalar_zero_point(source), scaled)
    x = build.codes(name, layout)
    out_layout = layout if op.keepdims else Layout.PLAIN
    build.emit(lowered, (x,), build.codes_output(node.name, out_layout))
    return None


def _mean_requant(source: QuantParams, output: QuantParams, count: int) -> Requant:
    """Of a sum of `count` codes."""
    ratio = scalar_scale(source) / scalar_scale(output)
    if isinstance(output.format, Binary):
        return requant(ratio, output)  # the sum has the sign of the mean
    if count << source.format.bits >= 2**31:
        return requant(ratio / count, output, accumulator_bits=64)
    return divided(requant(ratio, output), count)
