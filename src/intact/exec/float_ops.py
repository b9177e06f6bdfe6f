"""Real numbers: every `FloatOp` in NumPy float32, channels first, torch's semantics."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from intact.exec import float_convolution, float_pooling, movement
from intact.exec.float_activations import activate
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.numerics.arrays import F32, Array, IntArray


def apply(op: FloatOp, inputs: Sequence[Array], batch: int) -> Array:
    """The value that the operation computes from its inputs, which are in the order of `op`'s doc.

    Real numbers are float32; `Embedding` takes integer indices; `Reshape`, `Permute`, `Slice`,
    `Expand`, `Pad`, `Concat` and `ResizeNearest` take any dtype. `batch` resolves the dimensions
    -k of `Reshape` and `Expand`. The result may be a view of an input.
    """
    match op:
        case ops.Reshape():
            return movement.reshape(op, inputs[0], batch)
        case ops.Expand():
            return movement.expand(op, inputs[0], batch)
        case _:
            return _FUNCTIONS[type(op)](op, *inputs)


def _linear(_: ops.Linear, x: F32, weight: F32, bias: F32 | None = None) -> F32:
    out: F32 = np.matmul(x, weight.T)
    if bias is not None:
        out += bias
    return out


def _matmul(_: ops.MatMul, a: F32, b: F32) -> F32:
    return np.asarray(np.matmul(a, b))


def _embedding(_: ops.Embedding, indices: IntArray, weight: Array) -> Array:
    return movement.rows(weight, indices)


def _per_channel(vector: F32, x: F32) -> F32:
    """(C,) against x (N, C, ...); (1,) broadcasts."""
    return vector.reshape(-1, *(1,) * (x.ndim - 2))


def _batch_norm(op: ops.BatchNorm, x: F32, gamma: F32, beta: F32, mean: F32, variance: F32) -> F32:
    gain: F32 = gamma / np.sqrt(variance + np.float32(op.eps))
    out: F32 = x * _per_channel(gain, x)
    out += _per_channel(beta - mean * gain, x)
    return out


def _standardize(x: F32, axes: tuple[int, ...], eps: float) -> F32:
    """(x - mean) / sqrt(variance + eps), biased variance, over `axes`."""
    centred: F32 = x - x.mean(axis=axes, keepdims=True, dtype=np.float32)
    variance = np.mean(np.square(centred), axis=axes, keepdims=True, dtype=np.float32)
    centred /= np.sqrt(variance + np.float32(eps))
    return centred


def _layer_norm(op: ops.LayerNorm, x: F32, gamma: F32, beta: F32) -> F32:
    out = _standardize(x, tuple(range(x.ndim - op.axes, x.ndim)), op.eps)
    out *= gamma
    out += beta
    return out


def _group_norm(op: ops.GroupNorm, x: F32, gamma: F32, beta: F32) -> F32:
    out = _standardize(x.reshape(x.shape[0], op.groups, -1), (2,), op.eps).reshape(x.shape)
    out *= _per_channel(gamma, x)
    out += _per_channel(beta, x)
    return out


def _binary(function: Callable[[Array, Array], Array]) -> Callable[[FloatOp, Array, Array], Array]:
    return lambda _, a, b: function(a, b)


def _channel_clamp(_: ops.ChannelClamp, x: F32, low: F32, high: F32) -> F32:
    return np.minimum(np.maximum(x, _per_channel(low, x)), _per_channel(high, x))


def _prelu(_: ops.Prelu, x: F32, slope: F32) -> F32:
    return np.where(x >= 0, x, x * _per_channel(slope, x))


def _softmax(op: ops.Softmax, x: F32) -> F32:
    out: F32 = x - x.max(axis=op.axis, keepdims=True)
    np.exp(out, out=out)
    out /= out.sum(axis=op.axis, keepdims=True)
    return out


def _mean(op: ops.Mean, x: F32) -> F32:
    return np.asarray(x.mean(axis=op.axes, keepdims=op.keepdims, dtype=np.float32))


def _resize_nearest(op: ops.ResizeNearest, x: Array) -> Array:
    return float_pooling.resize_nearest(op.size, x, first=2)


def _dropout(_: ops.Dropout, x: F32) -> F32:
    return x


_ACTIVATIONS = (
    ops.Relu, ops.Clamp, ops.LeakyRelu, ops.HardSigmoid, ops.HardSwish,
    ops.Sigmoid, ops.Tanh, ops.Silu, ops.Gelu,
)  # fmt: skip
_FUNCTIONS: Mapping[type, Callable[..., Array]] = {
    ops.Conv: float_convolution.conv,
    ops.ConvTranspose: float_convolution.conv_transpose,
    ops.Linear: _linear,
    ops.MatMul: _matmul,
    ops.Embedding: _embedding,
    ops.BatchNorm: _batch_norm,
    ops.LayerNorm: _layer_norm,
    ops.GroupNorm: _group_norm,
    ops.Add: _binary(np.add),
    ops.Sub: _binary(np.subtract),
    ops.Mul: _binary(np.multiply),
    ops.Concat: movement.concat,
    ops.ChannelClamp: _channel_clamp,
    ops.Prelu: _prelu,
    ops.Softmax: _softmax,
    ops.MaxPool: float_pooling.max_pool,
    ops.AvgPool: float_pooling.avg_pool,
    ops.AdaptiveAvgPool: float_pooling.adaptive_avg_pool,
    ops.Mean: _mean,
    ops.ResizeNearest: _resize_nearest,
    ops.ResizeBilinear: float_pooling.resize_bilinear,
    ops.Pad: movement.pad,
    ops.Permute: movement.permute,
    ops.Slice: movement.slice_,
    ops.Dropout: _dropout,
    **dict.fromkeys(_ACTIVATIONS, activate),
}
