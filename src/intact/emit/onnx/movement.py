"""Operations that move or select elements, on real tensors and on codes alike."""

from collections.abc import Callable, Mapping

import numpy as np

from intact.emit.onnx.layout import View, arranged, reshaped
from intact.emit.onnx.scope import Scope
from intact.emit.onnx.spatial import pads_attribute
from intact.ir import float_ops as ops
from intact.ir.graph import Shape

_MODES = {
    ops.PadMode.CONSTANT: "constant",
    ops.PadMode.REFLECT: "reflect",
    ops.PadMode.REPLICATE: "edge",
    ops.PadMode.CIRCULAR: "wrap",
}


def _reshape(scope: Scope, op: ops.Reshape, shape: Shape, x: View) -> View:  # noqa: ARG001
    return reshaped(scope.writer, x, op.shape, scope.result)


def _permute(scope: Scope, op: ops.Permute, shape: Shape, x: View) -> View:  # noqa: ARG001
    return x.permuted(op.axes)


def _slice(scope: Scope, op: ops.Slice, shape: Shape, x: View) -> View:
    bounds = {"start": op.start, "stop": op.stop, "axis": x.axes[op.axis], "step": op.step}
    inputs = [scope.integers([number], name) for name, number in bounds.items()]
    return View(scope.last("Slice", [x.tensor, *inputs]), shape, x.axes)


def _expand(scope: Scope, op: ops.Expand, shape: Shape, x: View) -> View:
    """ONNX broadcasts both ways, so that axes which keep their size are written as 1."""
    wanted = tuple(1 if size == old else size for size, old in zip(op.shape, x.shape, strict=True))
    sizes = [wanted[i] for i in np.argsort(x.axes)]
    target = scope.writer.shape_tensor(tuple(sizes), scope.name)
    return View(scope.last("Expand", [x.tensor, target]), shape, x.axes)


def _concat(scope: Scope, op: ops.Concat, shape: Shape, *inputs: View) -> View:
    axes = inputs[0].axes
    tensors = [arranged(scope.writer, view, axes).tensor for view in inputs]
    return View(scope.last("Concat", tensors, axis=axes[op.axis]), shape, axes)


def _pad(scope: Scope, op: ops.Pad, shape: Shape, x: View) -> View:
    return pad(scope, op, shape, x, np.dtype(np.float32))


def pad(scope: Scope, op: ops.Pad, shape: Shape, x: View, dtype: np.dtype[np.generic]) -> View:
    """Pads a tensor of this type."""
    ordered = tuple(op.pads[i] for i in np.argsort(x.axes))
    inputs = [x.tensor, scope.integers(pads_attribute(ordered), "pads")]
    if op.mode is ops.PadMode.CONSTANT:
        inputs.append(scope.constant(np.asarray(op.value, dtype), "value"))
    return View(scope.last("Pad", inputs, mode=_MODES[op.mode]), shape, x.axes)


MOVEMENTS: Mapping[type, Callable[..., View]] = {
    ops.Reshape: _reshape,
    ops.Permute: _permute,
    ops.Slice: _slice,
    ops.Expand: _expand,
    ops.Concat: _concat,
    ops.Pad: _pad,
}
