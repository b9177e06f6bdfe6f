"""What each float operation computes, in torch and for any batch size."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp, PadMode, Pads
from intact.ir.graph import with_batch


def compute(op: FloatOp, inputs: Sequence[Tensor], *, batch: int, training: bool) -> Tensor:
    """The result of one operation.

    In training, BatchNorm uses the batch's statistics and updates its running ones in place, and
    Dropout is active.
    """
    match op:
        case ops.BatchNorm(eps, momentum):
            x, gamma, beta, mean, variance = inputs
            return functional.batch_norm(
                x, mean, variance, gamma, beta, training, momentum=momentum, eps=eps
            )
        case ops.Dropout(p):
            return functional.dropout(inputs[0], p, training)
        case ops.Reshape(shape):
            return inputs[0].reshape(with_batch(shape, batch))
        case ops.Expand(shape):
            return inputs[0].expand(with_batch(shape, batch))
        case _:
            return _COMPUTE[type(op)](op, *inputs)


def _flat(pads: Pads) -> list[int]:
    """As functional.pad wants them: from the last axis on."""
    return [number for pair in reversed(pads) for number in pair]


def _symmetric(pads: Pads) -> bool:
    return all(before == behind for before, behind in pads)


def _conv(op: ops.Conv, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    convolve = functional.conv1d if len(op.stride) == 1 else functional.conv2d
    padding = tuple(before for before, _ in op.padding)
    if not _symmetric(op.padding):
        x, padding = functional.pad(x, _flat(op.padding)), (0,) * len(padding)
    # Between the taps of a kernel of one there is nothing; torch 2.13 may crash on a dilation there
    # where images are channels last.
    dilation = tuple(
        1 if size == 1 else step for step, size in zip(op.dilation, weight.shape[2:], strict=True)
    )
    return convolve(x, weight, bias, op.stride, padding, dilation, op.groups)


def _conv_transpose(
    op: ops.ConvTranspose, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    same = _symmetric(op.padding)
    padding = tuple(before if same else 0 for before, _ in op.padding)
    out = functional.conv_transpose2d(
        x, weight, bias, op.stride, padding, op.output_padding, op.groups, op.dilation
    )
    return out if same else functional.pad(out, [-n for n in _flat(op.padding)])


def _max_pool(op: ops.MaxPool, x: Tensor) -> Tensor:
    if any(map(any, op.padding)):
        x = functional.pad(x, _flat(op.padding), value=-torch.inf)
    pool = functional.max_pool1d if len(op.kernel) == 1 else functional.max_pool2d
    return pool(x, op.kernel, op.stride, 0, op.dilation)


def _avg_pool(op: ops.AvgPool, x: Tensor) -> Tensor:
    """Sums of the windows over the number of taps that count."""
    if len(op.kernel) == 1:
        plane = ops.AvgPool(
            (1, *op.kernel), (1, *op.stride), ((0, 0), *op.padding), op.count_include_pad,
            (0, *op.overhang),
        )  # fmt: skip
        return _avg_pool(plane, x.unsqueeze(2)).squeeze(2)
    ones = x.new_ones(1, 1, *x.shape[2:])
    counted = functional.pad(ones, _flat(op.padding), value=float(op.count_include_pad))
    over = _flat(tuple((0, n) for n in op.overhang))
    padded = functional.pad(functional.pad(x, _flat(op.padding)), over)

    def sums(values: Tensor) -> Tensor:
        return functional.avg_pool2d(values, op.kernel, op.stride, divisor_override=1)

    return sums(padded) / sums(functional.pad(counted, over))


def _adaptive_avg_pool(op: ops.AdaptiveAvgPool, x: Tensor) -> Tensor:
    if len(op.size) == 1:
        return functional.adaptive_avg_pool1d(x, op.size[0])
    height, width = op.size
    return functional.adaptive_avg_pool2d(x, (height, width))


def _pad(op: ops.Pad, x: Tensor) -> Tensor:
    if op.mode is PadMode.CONSTANT:
        return functional.pad(x, _flat(op.pads), value=op.value)
    # Torch pads the space axes alone in these modes.
    return functional.pad(x, _flat(op.pads[2:]), mode=op.mode.value)


def _slice(op: ops.Slice, x: Tensor) -> Tensor:
    return x[(slice(None),) * op.axis + (slice(op.start, op.stop, op.step),)]


def _clamp(op: ops.Clamp, x: Tensor) -> Tensor:
    return x if op.low is None and op.high is None else x.clamp(op.low, op.high)


def _channel_clamp(_: ops.ChannelClamp, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    column = (-1, *(1,) * (x.dim() - 2))
    return torch.minimum(torch.maximum(x, low.reshape(column)), high.reshape(column))


def _layer_norm(op: ops.LayerNorm, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-op.axes :], gamma, beta, op.eps)


def _resize_bilinear(op: ops.ResizeBilinear, x: Tensor) -> Tensor:
    return functional.interpolate(x, op.size, mode="bilinear", align_corners=op.align_corners)


_COMPUTE: dict[type[FloatOp], Callable[..., Tensor]] = {
    ops.Conv: _conv,
    ops.ConvTranspose: _conv_transpose,
    ops.Linear: lambda _, x, weight, bias=None: functional.linear(x, weight, bias),
    ops.MatMul: lambda _, a, b: a @ b,
    ops.Embedding: lambda _, indices, weight: functional.embedding(indices, weight),
    ops.LayerNorm: _layer_norm,
    ops.GroupNorm: lambda op, x, gamma, beta: functional.group_norm(
        x, op.groups, gamma, beta, op.eps
    ),
    ops.Add: lambda _, a, b: a + b,
    ops.Sub: lambda _, a, b: a - b,
    ops.Mul: lambda _, a, b: a * b,
    ops.Concat: lambda op, *parts: torch.cat(parts, op.axis),
    ops.Relu: lambda _, x: functional.relu(x),
    ops.Clamp: _clamp,
    ops.LeakyRelu: lambda op, x: functional.leaky_relu(x, op.slope),
    ops.HardSigmoid: lambda _, x: functional.hardsigmoid(x),
    ops.HardSwish: lambda _, x: functional.hardswish(x),
    ops.Sigmoid: lambda _, x: x.sigmoid(),
    ops.Tanh: lambda _, x: x.tanh(),
    ops.Silu: lambda _, x: functional.silu(x),
    ops.Gelu: lambda op, x: functional.gelu(x, approximate="tanh" if op.tanh else "none"),
    ops.ChannelClamp: _channel_clamp,
    ops.Prelu: lambda _, x, slope: functional.prelu(x, slope),
    ops.Softmax: lambda op, x: x.softmax(op.axis),
    ops.MaxPool: _max_pool,
    ops.AvgPool: _avg_pool,
    ops.AdaptiveAvgPool: _adaptive_avg_pool,
    ops.Mean: lambda op, x: x.mean(op.axes, op.keepdims),
    ops.ResizeNearest: lambda op, x: functional.interpolate(x, op.size, mode="nearest"),
    ops.ResizeBilinear: _resize_bilinear,
    ops.Pad: _pad,
    ops.Permute: lambda op, x: x.permute(op.axes),
    ops.Slice: _slice,
}
