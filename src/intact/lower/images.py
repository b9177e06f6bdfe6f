"""Images of one or two space axes: the integer operations know only (N, H, W, C)."""

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Value
from intact.lower.builder import Builder, Layout


def image_pair(values: tuple[int, ...], fill: int = 1) -> tuple[int, int]:
    """(height, width) of an attribute that has one entry for each space axis."""
    return (fill, values[0]) if len(values) == 1 else (values[0], values[1])


def image_pads(pads: ops.Pads) -> ops.Pads:
    """((top, bottom), (left, right)) of pads for each space axis."""
    return ((0, 0), pads[0]) if len(pads) == 1 else pads


def as_image(build: Builder, x: Value, name: str) -> Value:
    """(N, L, C) as (N, 1, L, C); (N, H, W, C) unchanged."""
    if len(x.shape) == 4:
        return x
    shape = (x.shape[0], 1, *x.shape[1:])
    image = build.temporary(f"{name}.image", shape, x)
    return build.emit(ops.Reshape(shape), (x,), image)


def emit_image(build: Builder, op: int_ops.IntOp, inputs: tuple[Value, ...], target: str) -> None:
    """Appends an operation on images whose result is graph value `target`, channels last."""
    output = build.codes_output(target, Layout.LAST)
    if len(output.shape) == 4:
        build.emit(op, inputs, output)
        return
    shape = (output.shape[0], 1, *output.shape[1:])
    image = build.emit(op, inputs, build.temporary(f"{target}.image", shape, output))
    build.emit(ops.Reshape(output.shape), (image,), output)
