"""Operators that move or select codes; their meaning stays."""

from collections.abc import Sequence

import numpy as np

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.capture.tflite.fused import emit_clamped
from intact.capture.tflite.scales import scale32
from intact.capture.tflite.shapes import reshaped
from intact.errors import FormatError, UnsupportedOpError
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.float_ops import FloatOp, PadMode, Pads
from intact.ir.graph import Value, with_batch
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams, scalar_zero_point
from intact.numerics.special import round_half_away

MOST_PIECES = 1024  # of a tensor that is taken apart


def axis_of(net: Builder, operator: Operator, axis: int, rank: int) -> int:
    """The axis, counted from the front."""
    if not -rank <= axis < rank:
        raise FormatError(f"{net.title(operator)} has axis {axis} of {rank}")
    return axis % rank


def chain(
    net: Builder, operator: Operator, x: Value, steps: Sequence[FloatOp], position: int = 0
) -> None:
    """Emits one step after the other; the last writes the operator's output."""
    steps = steps or [ops.Reshape(x.shape)]
    for number, op in enumerate(steps[:-1]):
        x = net.between(operator, op, [x], x.params, f"step{number}")
    net.emit(operator, steps[-1], [x], position)


# --- shapes ------------------------------------------------------------------------------------


def reshape(net: Builder, operator: Operator) -> None:
    """RESHAPE: the shape is input 1, or an attribute in old files."""
    if net.has_input(operator, 1):
        target: Sequence[int] = net.integers(operator, 1)
    else:
        target = net.options(operator, "ReshapeOptions").integers("NewShape")
    _emit_reshape(net, operator, target)


def squeeze(net: Builder, operator: Operator) -> None:
    """SQUEEZE: without the axes that it names, or all axes of size 1."""
    shape = with_batch(net.codes(operator, 0).shape, 1)
    named = net.options(operator, "SqueezeOptions").integers("SqueezeDims")
    axes = {axis_of(net, operator, axis, len(shape)) for axis in named}
    gone = axes or {axis for axis, n in enumerate(shape) if n == 1}
    _emit_reshape(net, operator, [n for axis, n in enumerate(shape) if axis not in gone])


def expand_dims(net: Builder, operator: Operator) -> None:
    """EXPAND_DIMS: a new axis of size 1."""
    shape = list(with_batch(net.codes(operator, 0).shape, 1))
    axes = net.integers(operator, 1)
    if len(axes) != 1:
        raise FormatError(f"{net.title(operator)} has axes {axes}")
    shape.insert(axis_of(net, operator, axes[0], len(shape) + 1), 1)
    _emit_reshape(net, operator, shape)


def _emit_reshape(net: Builder, operator: Operator, target: Sequence[int]) -> None:
    x = net.codes(operator, 0)
    net.emit(operator, ops.Reshape(reshaped(net, operator, x.shape, target)), [x])


def transpose(net: Builder, operator: Operator) -> None:
    """TRANSPOSE: axis i of the output is axis order[i] of the input."""
    x = net.codes(operator, 0)
    order = tuple(axis_of(net, operator, a, len(x.shape)) for a in net.integers(operator, 1))
    net.emit(operator, ops.Permute(order), [x])


def broadcast_to(net: Builder, operator: Operator) -> None:
    """BROADCAST_TO: axes of size 1 repeated."""
    x = net.codes(operator, 0)
    target = net.integers(operator, 1)
    if len(target) != len(x.shape):
        raise FormatError(f"{net.title(operator)} broadcasts shape {x.shape} to {target[:4]}")
    shape = tuple(n if n < 0 else m for n, m in zip(x.shape, target, strict=True))
    net.emit(operator, ops.Expand(shape), [x])


def depth_to_space(net: Builder, operator: Operator) -> None:
    """DEPTH_TO_SPACE: each pixel's channels become a block of pixels."""
    x = net.codes(operator, 0)
    block = net.options(operator, "DepthToSpaceOptions").integer("BlockSize")
    batch, height, width, channels = _image(net, operator, x)
    if block < 1 or channels % (block * block):
        raise FormatError(f"{net.title(operator)} has blocks of {block} for {channels} channels")
    depth = channels // (block * block)
    steps: list[FloatOp] = [
        ops.Reshape((batch, height, width, block, block, depth)),
        ops.Permute((0, 1, 3, 2, 4, 5)),
        ops.Reshape((batch, height * block, width * block, depth)),
    ]
    chain(net, operator, x, steps)


def space_to_depth(net: Builder, operator: Operator) -> None:
    """SPACE_TO_DEPTH: blocks of pixels become one pixel's channels."""
    x = net.codes(operator, 0)
    block = net.options(operator, "SpaceToDepthOptions").integer("BlockSize")
    batch, height, width, channels = _image(net, operator, x)
    if block < 1 or height % block or width % block:
        raise FormatError(f"{net.title(operator)} has blocks of {block} for {height}x{width}")
    steps: list[FloatOp] = [
        ops.Reshape((batch, height // block, block, width // block, block, channels)),
        ops.Permute((0, 1, 3, 2, 4, 5)),
        ops.Reshape((batch, height // block, width // block, block * block * channels)),
    ]
    chain(net, operator, x, steps)


def _image(net: Builder, operator: Operator, x: Value) -> tuple[int, int, int, int]:
    if len(x.shape) != 4:
        raise FormatError(f"{net.title(operator)} reads shape {x.shape}, not an image")
    batch, height, width, channels = x.shape
    return batch, height, width, channels


# --- padding -----------------------------------------------------------------------------------


def pad(net: Builder, operator: Operator) -> None:
    """PAD and PADV2: with the zero point, or the code of input 2."""
    x = net.codes(operator, 0)
    value = scalar_zero_point(net.params(operator.outputs[0]))
    if operator.code == "PADV2":
        numbers = net.integers(operator, 2)
        if len(numbers) != 1:
            raise FormatError(f"{net.title(operator)} pads with {len(numbers)} numbers")
        value = numbers[0]
    pads = _pads(net, operator, len(x.shape))
    net.emit(operator, ops.Pad(pads, PadMode.CONSTANT, float(value)), [x])


def mirror_pad(net: Builder, operator: Operator) -> None:
    """MIRROR_PAD: REFLECT, or SYMMETRIC by one pixel, which is the edge repeated."""
    x = net.codes(operator, 0)
    pads = _pads(net, operator, len(x.shape))
    symmetric = net.options(operator, "MirrorPadOptions").integer("Mode") == 1
    if symmetric and max(max(pair) for pair in pads) > 1:
        raise UnsupportedOpError(
            f"{net.title(operator)} pads symmetrically by more than one; use REFLECT"
        )
    mode = PadMode.REPLICATE if symmetric else PadMode.REFLECT
    net.emit(operator, ops.Pad(pads, mode), [x])


def _pads(net: Builder, operator: Operator, rank: int) -> Pads:
    numbers = net.integers(operator, 1)
    if len(numbers) != 2 * rank:
        raise FormatError(f"{net.title(operator)} has {len(numbers)} pads for {rank} axes")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


# --- joining -----------------------------------------------------------------------------------


def concatenation(net: Builder, operator: Operator) -> None:
    """CONCATENATION along one axis."""
    options = net.options(operator, "ConcatenationOptions")
    inputs = _alike(net, operator)
    axis = axis_of(net, operator, options.integer("Axis"), len(inputs[0].shape))
    activation = options.integer("FusedActivationFunction")
    emit_clamped(net, operator, ops.Concat(axis), inputs, activation)


def pack(net: Builder, operator: Operator) -> None:
    """PACK: along a new axis."""
    inputs = _alike(net, operator)
    rank = len(inputs[0].shape)
    axis = axis_of(net, operator, net.options(operator, "PackOptions").integer("Axis"), rank + 1)
    rows = []
    for number, x in enumerate(inputs):
        single = with_batch(x.shape, 1)
        target = reshaped(net, operator, x.shape, (*single[:axis], 1, *single[axis:]))
        rows.append(net.between(operator, ops.Reshape(target), [x], x.params, f"row{number}"))
    net.emit(operator, ops.Concat(axis), rows)


def _alike(net: Builder, operator: Operator) -> list[Value]:
    """The inputs in the output's scale and zero point."""
    if not operator.inputs or len(operator.inputs) > MOST_PIECES:
        raise FormatError(f"{net.title(operator)} joins {len(operator.inputs)} tensors")
    output = net.params(operator.outputs[0])
    values = [_rescaled(net, operator, i, output) for i in range(len(operator.inputs))]
    if not any(value.shape[:1] == (-1,) for value in values):
        return values
    return [_repeated(net, operator, value) for value in values]


def _repeated(net: Builder, operator: Operator, x: Value) -> Value:
    """A constant once for each sample."""
    if x.name not in net.constants or x.shape[:1] != (1,):
        return x
    op = ops.Expand((-1, *x.shape[1:]))
    return net.between(operator, op, [x], x.params, "repeated")


def _rescaled(net: Builder, operator: Operator, position: int, output: QuantParams) -> Value:
    """ConcatenationWithScaling: uint8 alone may change its scale, in float32."""
    x, source = net.codes(operator, position), net.params(operator.inputs[position])
    if source == output:
        return x
    if source.format != Int(8, signed=False):
        raise UnsupportedOpError(
            f'{net.title(operator)} joins "{x.name}", whose scale is not the output\'s; TFLite'
            " joins int8 tensors of one scale"
        )
    factor = scale32(source) * (np.float32(1) / scale32(output))
    offset = np.float32(-scalar_zero_point(source)) * factor
    steps = round_half_away(np.arange(256, dtype=np.float32) * factor + offset)
    codes = np.clip(steps + scalar_zero_point(output), 0, 255).astype(np.uint8)
    op = int_ops.Lookup(codes, ops.Clamp(None, None))
    return net.between(operator, op, [x], output, f"input{position}")
