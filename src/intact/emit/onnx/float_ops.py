"""Operations on real numbers as ONNX nodes; channels first, as in `intact.ir.float_ops`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from intact.emit.onnx import spatial
from intact.emit.onnx.layout import View, arranged, identity, plain, reshaped, settled
from intact.emit.onnx.movement import MOVEMENTS
from intact.emit.onnx.scope import Scope
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Shape

Emitter = Callable[..., View]
# These choose the order of axes in which a constant of codes is written.
_WRITES_CONSTANTS = (
    ops.Conv, ops.ConvTranspose, ops.Linear, ops.Embedding, ops.ChannelClamp, ops.Prelu,
)  # fmt: skip


def emit_float(scope: Scope, op: FloatOp, inputs: Sequence[View], shape: Shape) -> View:
    """Writes the operation; returns its value of this shape."""
    if not isinstance(op, _WRITES_CONSTANTS):
        inputs = [settled(scope.writer, view) for view in inputs]
    return _EMITTERS[type(op)](scope, op, shape, *inputs)


# --- linear algebra ----------------------------------------------------------------------------


def _conv(
    scope: Scope, op: ops.Conv | ops.ConvTranspose, shape: Shape, x: View, weight: View, *bias: View
) -> View:
    output = scope.last(
        type(op).__name__,  # as in ONNX
        [arranged(scope.writer, view).tensor for view in (x, weight, *bias)],
        kernel_shape=weight.shape[2:],
        strides=op.stride,
        pads=spatial.pads_attribute(op.padding),
        dilations=op.dilation,
        group=op.groups,
        **({"output_padding": op.output_padding} if isinstance(op, ops.ConvTranspose) else {}),
    )
    return plain(output, shape)


def _linear(scope: Scope, op: ops.Linear, shape: Shape, x: View, weight: View, *bias: View) -> View:  # noqa: ARG001
    """Gemm for a matrix; MatMul and Add for any other rank."""
    x = arranged(scope.writer, x)
    biases = [arranged(scope.writer, view).tensor for view in bias]
    if len(x.shape) == 2:
        weight = arranged(scope.writer, weight)
        return plain(scope.last("Gemm", [x.tensor, weight.tensor, *biases], transB=1), shape)
    transposed = arranged(scope.writer, weight.permuted((1, 0)))
    if not biases:
        return plain(scope.last("MatMul", [x.tensor, transposed.tensor]), shape)
    product = scope.step("MatMul", [x.tensor, transposed.tensor])
    return plain(scope.last("Add", [product, *biases]), shape)


def _matmul(scope: Scope, op: ops.MatMul, shape: Shape, a: View, b: View) -> View:  # noqa: ARG001
    tensors = [arranged(scope.writer, view).tensor for view in (a, b)]
    return plain(scope.last("MatMul", tensors), shape)


def _embedding(scope: Scope, op: ops.Embedding, shape: Shape, indices: View, weight: View) -> View:  # noqa: ARG001
    tensors = [arranged(scope.writer, view).tensor for view in (weight, indices)]
    return plain(scope.last("Gather", tensors, axis=0), shape)


# --- normalization -----------------------------------------------------------------------------


def _batch_norm(scope: Scope, op: ops.BatchNorm, shape: Shape, x: View, *parameters: View) -> View:
    tensors = [arranged(scope.writer, view).tensor for view in (x, *parameters)]
    return plain(scope.last("BatchNormalization", tensors, epsilon=op.eps), shape)


def _layer_norm(scope: Scope, op: ops.LayerNorm, shape: Shape, x: View, *parameters: View) -> View:
    tensors = [arranged(scope.writer, view).tensor for view in (x, *parameters)]
    output = scope.last("LayerNormalization", tensors, axis=-op.axes, epsilon=op.eps)
    return plain(output, shape)


def _group_norm(scope: Scope, op: ops.GroupNorm, shape: Shape, x: View, *parameters: View) -> View:
    tensors = [arranged(scope.writer, view).tensor for view in (x, *parameters)]
    output = scope.last("GroupNormalization", tensors, num_groups=op.groups, epsilon=op.eps)
    return plain(output, shape)


# --- arithmetic --------------------------------------------------------------------------------


def _binary(name: str) -> Emitter:
    def emit(scope: Scope, op: FloatOp, shape: Shape, a: View, b: View) -> View:  # noqa: ARG001
        a, b, axes = _aligned(scope, a, b)
        return View(scope.last(name, [a.tensor, b.tensor]), shape, axes)

    return emit


def _aligned(scope: Scope, a: View, b: View) -> tuple[View, View, tuple[int, ...]]:
    """Both operands with the axes of the larger one, which stays as it is."""
    lead = max(a, b, key=lambda view: (len(view.shape), _size(view)))
    fitted = [view if view is lead else _broadcastable(scope, view, lead) for view in (a, b)]
    return fitted[0], fitted[1], lead.axes


def _size(view: View) -> int:
    return sum(size != 1 for size in view.shape)


def _broadcastable(scope: Scope, view: View, lead: View) -> View:
    rank = len(lead.shape)
    if view.axes == lead.axes or _size(view) == 0:
        return view
    if len(view.shape) < rank:
        if lead.axes == tuple(range(rank)):
            return arranged(scope.writer, view)
        view = reshaped(scope.writer, view, (1,) * (rank - len(view.shape)) + view.shape)
    return arranged(scope.writer, view, lead.axes)


# --- activations -------------------------------------------------------------------------------


def _unary(name: str, **attributes: float) -> Emitter:
    def emit(scope: Scope, op: FloatOp, shape: Shape, x: View) -> View:  # noqa: ARG001
        return View(scope.last(name, [x.tensor], **attributes), shape, x.axes)

    return emit


def _clamp(scope: Scope, op: ops.Clamp, shape: Shape, x: View) -> View:
    bounds = [
        "" if bound is None else scope.constant(np.asarray(bound, np.float32), name)
        for name, bound in (("min", op.low), ("max", op.high))
    ]
    inputs = [x.tensor, *bounds]
    return View(scope.last("Clip", inputs[:2] if op.high is None else inputs), shape, x.axes)


def _leaky_relu(scope: Scope, op: ops.LeakyRelu, shape: Shape, x: View) -> View:
    return View(scope.last("LeakyRelu", [x.tensor], alpha=op.slope), shape, x.axes)


def _silu(scope: Scope, op: ops.Silu, shape: Shape, x: View) -> View:  # noqa: ARG001
    gate = scope.step("Sigmoid", [x.tensor])
    return View(scope.last("Mul", [x.tensor, gate]), shape, x.axes)


def _gelu(scope: Scope, op: ops.Gelu, shape: Shape, x: View) -> View:
    kind = "tanh" if op.tanh else "none"
    return View(scope.last("Gelu", [x.tensor], approximate=kind), shape, x.axes)


def _softmax(scope: Scope, op: ops.Softmax, shape: Shape, x: View) -> View:
    return View(scope.last("Softmax", [x.tensor], axis=x.axes[op.axis]), shape, x.axes)


def _prelu(scope: Scope, op: ops.Prelu, shape: Shape, x: View, slope: View) -> View:  # noqa: ARG001
    """ONNX aligns the slopes to the last axes: (C,) becomes (C, 1, 1) for (N, C, H, W)."""
    behind = len(x.shape) - 1 - x.axes[1]
    column = (1,) if slope.shape == (1,) else (slope.shape[0], *(1,) * behind)
    tensor = _column(scope, slope, column)
    return View(scope.last("PRelu", [x.tensor, tensor]), shape, x.axes)


def _channel_clamp(
    scope: Scope, op: ops.ChannelClamp, shape: Shape, x: View, low: View, high: View
) -> View:
    """Max and Min; Clip has bounds of one number only."""
    del op
    column = (low.shape[0], *(1,) * (len(x.shape) - 1 - x.axes[1]))
    raised = scope.step("Max", [x.tensor, _column(scope, low, column)])
    return View(scope.last("Min", [raised, _column(scope, high, column)]), shape, x.axes)


def _column(scope: Scope, slope: View, shape: Shape) -> str:
    stored = slope.constant
    if stored is not None and stored.params.scale.size == 1:
        slope = replace(
            slope, shape=shape, axes=identity(len(shape)), constant=stored.reshaped(shape)
        )
        return arranged(scope.writer, slope).tensor
    return reshaped(scope.writer, slope, shape).tensor


def _mean(scope: Scope, op: ops.Mean, shape: Shape, x: View) -> View:
    axes = scope.integers(sorted(x.axes[axis] for axis in op.axes), "axes")
    output = scope.last("ReduceMean", [x.tensor, axes], keepdims=int(op.keepdims))
    if op.keepdims:
        return View(output, shape, x.axes)
    left = [x.axes[axis] for axis in range(len(x.axes)) if axis not in op.axes]
    return View(output, shape, tuple(sorted(left).index(axis) for axis in left))


def _dropout(scope: Scope, op: ops.Dropout, shape: Shape, x: View) -> View:  # noqa: ARG001
    return replace(x, shape=shape)


_EMITTERS: Mapping[type, Emitter] = {
    ops.Conv: _conv,
    ops.ConvTranspose: _conv,
    ops.Linear: _linear,
    ops.MatMul: _matmul,
    ops.Embedding: _embedding,
    ops.BatchNorm: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.GroupNorm: _group_norm,
    ops.Add: _binary("Add"),
    ops.Sub: _binary("Sub"),
    ops.Mul: _binary("Mul"),
    ops.Relu: _unary("Relu"),
    ops.Clamp: _clamp,
    ops.LeakyRelu: _leaky_relu,
    ops.ChannelClamp: _channel_clamp,
    ops.Prelu: _prelu,
    ops.HardSigmoid: _unary("HardSigmoid", alpha=1 / 6, beta=0.5),
    ops.HardSwish: _unary("HardSwish"),
    ops.Sigmoid: _unary("Sigmoid"),
    ops.Tanh: _unary("Tanh"),
    ops.Silu: _silu,
    ops.Gelu: _gelu,
    ops.Softmax: _softmax,
    ops.Mean: _mean,
    ops.Dropout: _dropout,
    ops.MaxPool: spatial.max_pool,
    ops.AvgPool: spatial.avg_pool,
    ops.AdaptiveAvgPool: spatial.adaptive_avg_pool,
    ops.ResizeNearest: spatial.resize_nearest,
    ops.ResizeBilinear: spatial.resize_bilinear,
    **MOVEMENTS,
}
