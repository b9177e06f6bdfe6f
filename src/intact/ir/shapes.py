"""The shape that each operation gives, from the shapes it reads and its attributes.

Dimensions -k (k times the batch size) pass through: two dimensions are equal if they are equal at
every batch size. An operation that would need the number itself (a window over the batch axis)
is refused. Every division by a stride, group or size is checked here, so that an executor need not.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias, assert_never

from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.dims import check_axis, check_rank, fixed_size, take
from intact.ir.graph import Shape
from intact.ir.int_ops import IntOp
from intact.ir.movements import moved
from intact.ir.scans import scanned
from intact.ir.windows import Pool, Resize, pooled, resized, transposed, windows

Unary: TypeAlias = (
    ops.Activation
    | ops.Dropout
    | int_ops.Quantize
    | int_ops.Dequantize
    | int_ops.Requantize
    | int_ops.Lookup
    | int_ops.InterpolatedLookup
)
Broadcast: TypeAlias = (
    ops.Add | ops.Sub | ops.Mul | int_ops.QAdd | int_ops.QSub | int_ops.QMul
)  # fmt: skip
Convolution: TypeAlias = (
    ops.Conv
    | ops.ConvTranspose
    | int_ops.QConv2d
    | int_ops.QConvTranspose2d
    | int_ops.DynamicConv2d
)
Product: TypeAlias = (
    ops.Linear
    | ops.MatMul
    | ops.Embedding
    | int_ops.QLinear
    | int_ops.DynamicLinear
    | int_ops.QMatMul
    | int_ops.QEmbedding
)
Along: TypeAlias = (
    ops.Softmax | ops.Mean | int_ops.QSoftmax | int_ops.QSoftmax16 | int_ops.QMean
)  # fmt: skip
Norm: TypeAlias = (
    ops.BatchNorm
    | ops.LayerNorm
    | ops.GroupNorm
    | ops.ChannelClamp
    | ops.Prelu
    | int_ops.QPrelu
    | int_ops.QLayerNorm
    | int_ops.QGroupNorm
)


def output_shape(op: IntOp, inputs: Sequence[Shape]) -> Shape:
    """Shape of the operation's output, with batch dimensions -k.

    Raises:
        ValueError: if the number of inputs, a shape or an attribute does not fit; says which.
    """
    if isinstance(op, Unary):
        return take(inputs, 1)[0]
    if isinstance(op, Broadcast):
        return broadcast(*take(inputs, 2))
    if isinstance(op, Convolution):
        return _convolution(op, inputs)
    if isinstance(op, Product):
        return _product(op, inputs)
    if isinstance(op, Pool):
        return pooled(op, *take(inputs, 1))
    if isinstance(op, Resize):
        return resized(op, *take(inputs, 1))
    if isinstance(op, Along):
        return _along(op, *take(inputs, 1))
    if isinstance(op, Norm):
        return _norm(op, inputs)
    if isinstance(op, ops.Scan | int_ops.QScan):
        return scanned(op, inputs)
    return moved(op, inputs)


def _equal(what: str, shape: Shape, expected: Shape) -> None:
    if shape != expected:
        raise ValueError(f"{what} has shape {shape}, expected {expected}")


def broadcast(a: Shape, b: Shape) -> Shape:
    """NumPy's broadcasting; a batch dimension goes with itself and with 1."""
    rank = max(len(a), len(b))
    left, right = ((1,) * (rank - len(s)) + s for s in (a, b))
    for m, n in zip(left, right, strict=True):
        if m != n and 1 not in (m, n):
            raise ValueError(f"shapes {a} and {b} do not broadcast")
    return tuple(n if m == 1 else m for m, n in zip(left, right, strict=True))


def _parameters(inputs: Sequence[Shape], channels: int) -> None:
    """Every input after x and the weight holds one number for each output channel."""
    for shape in inputs[2:]:
        _equal("bias or scale", shape, (channels,))


def _convolution(op: Convolution, inputs: Sequence[Shape]) -> Shape:
    match op:
        case ops.Conv() | ops.ConvTranspose():
            x, weight, *_ = take(inputs, 2, 3)
            last = False
        case int_ops.QConv2d() | int_ops.QConvTranspose2d():
            x, weight, *_ = take(inputs, 3)
            last = True
        case int_ops.DynamicConv2d():
            x, weight, *_ = take(inputs, 4)
            last = True
        case _:
            assert_never(op)
    if len(x) != len(weight) or len(x) not in ((4,) if last else (3, 4)):
        raise ValueError(f"an input of shape {x} does not fit a weight of shape {weight}")
    channels, space = (x[-1], x[1:-1]) if last else (x[1], x[2:])
    kernel = weight[1:-1] if last else weight[2:]
    grouped = weight[-1] if last else weight[1]
    fixed_size("the number of channels", channels)
    outputs, expected = _channels(op, channels, weight[0], grouped)
    if (grouped if not isinstance(op, ops.ConvTranspose) else weight[0]) != expected:
        raise ValueError(f"a weight of shape {weight} does not fit {channels} channels")
    _parameters(inputs, outputs)
    if isinstance(op, ops.ConvTranspose | int_ops.QConvTranspose2d):
        out = transposed(op, space, kernel)
    else:
        out = windows(space, kernel, op.stride, op.dilation, op.padding)
    return (x[0], *out, outputs) if last else (x[0], outputs, *out)


def _channels(op: Convolution, channels: int, first: int, grouped: int) -> tuple[int, int]:
    """(output channels, the input channels that the weight's shape must show)."""
    outputs = grouped * op.groups if isinstance(op, ops.ConvTranspose) else first
    if op.groups < 1 or channels % op.groups or outputs % op.groups:
        raise ValueError(
            f"{channels} input and {outputs} output channels do not divide into {op.groups} groups"
        )
    return outputs, channels if isinstance(op, ops.ConvTranspose) else channels // op.groups


def _product(op: Product, inputs: Sequence[Shape]) -> Shape:
    match op:
        case ops.Linear():
            return _linear(take(inputs, 2, 3))
        case int_ops.QLinear():
            return _linear(take(inputs, 3))
        case int_ops.DynamicLinear():
            return _linear(take(inputs, 4))
        case ops.Embedding() | int_ops.QEmbedding():
            indices, weight = take(inputs, 2)
            if len(weight) != 2:
                raise ValueError(f"an embedding's weight has 2 axes, not shape {weight}")
            return (*indices, weight[1])
        case ops.MatMul() | int_ops.QMatMul():
            a, b = take(inputs, 2)
            check_rank(a, 2)
            check_rank(b, 2)
            if a[-1] != b[-2]:
                raise ValueError(f"matrices of shapes {a} and {b} do not multiply")
            return (*broadcast(a[:-2], b[:-2]), a[-2], b[-1])
        case _:
            assert_never(op)


def _linear(inputs: Sequence[Shape]) -> Shape:
    x, weight = inputs[:2]
    check_rank(x, 1)
    if len(weight) != 2 or weight[1] != x[-1]:
        raise ValueError(f"an input of shape {x} does not fit a weight of shape {weight}")
    _parameters(inputs, weight[0])
    return (*x[:-1], weight[0])


def _along(op: Along, x: Shape) -> Shape:
    match op:
        case ops.Softmax(axis):
            check_axis(axis, x)
            return x
        case int_ops.QSoftmax() | int_ops.QSoftmax16():
            check_rank(x, 1)
            fixed_size("the last axis", x[-1])
            return x
        case ops.Mean(axes, keepdims) | int_ops.QMean(axes, keepdims):
            for axis in axes:
                check_axis(axis, x)
                if isinstance(op, int_ops.QMean):
                    fixed_size(f"axis {axis}", x[axis])
            if not axes or len(set(axes)) != len(axes):
                raise ValueError(f"axes {axes} are empty or repeated")
            left = (1 if i in axes else n for i, n in enumerate(x) if keepdims or i not in axes)
            return tuple(left)
        case _:
            assert_never(op)


def _norm(op: Norm, inputs: Sequence[Shape]) -> Shape:
    count = 5 if isinstance(op, ops.BatchNorm) else 3
    match op:
        case ops.BatchNorm() | ops.GroupNorm():
            x, *parameters = take(inputs, count)
            check_rank(x, 2)
            channels, groups = x[1], op.groups if isinstance(op, ops.GroupNorm) else 1
            expected: Sequence[Shape] = ((channels,),)
        case ops.ChannelClamp():
            x, *parameters = take(inputs, count)
            check_rank(x, 2)
            channels, groups, expected = x[1], 1, ((x[1],),)
        case ops.Prelu() | int_ops.QPrelu():
            x, *parameters = take(inputs, 2)
            check_rank(x, 2)
            channels, groups = x[1] if isinstance(op, ops.Prelu) else x[-1], 1
            expected = ((channels,), (1,))
        case ops.LayerNorm(axes):
            x, *parameters = take(inputs, count)
            channels, groups = normalized(x, axes), 1
            expected = (x[len(x) - axes :],)
        case int_ops.QLayerNorm(axes):
            (x,), parameters, groups, expected = take(inputs, 1), [], 1, ()
            channels = normalized(x, axes)
        case int_ops.QGroupNorm(groups):
            (x,), parameters, expected = take(inputs, 1), [], ()
            check_rank(x, 2)
            channels = normalized(x, len(x) - 1) and x[-1]
        case _:
            assert_never(op)
    fixed_size("the number of channels", channels)
    if groups < 1 or channels % groups:
        raise ValueError(f"{channels} channels do not divide into {groups} groups")
    for shape in parameters:
        if shape not in expected:
            raise ValueError(f"a parameter has shape {shape}, expected {expected[0]}")
    return x


def normalized(x: Shape, axes: int) -> int:
    """Number of elements in the last `axes` axes."""
    if not 1 <= axes <= len(x):
        raise ValueError(f"shape {x} has no last {axes} axes")
    return math.prod(fixed_size("a normalized axis", n) for n in x[len(x) - axes :])
