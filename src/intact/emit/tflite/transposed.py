"""Transposed convolutions, of codes and of real numbers."""

from collections.abc import Sequence

from intact.emit.tflite.clamps import emit_clamped
from intact.emit.tflite.float_layers import bias_tensor, pads_of, pair
from intact.emit.tflite.images import image, new_image
from intact.emit.tflite.layers import parameters, weight_codes, weight_scale
from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.reals import real_weight
from intact.emit.tflite.schema import BuiltinOperator, Options, Padding
from intact.emit.tflite.slicing import strided_slice
from intact.emit.tflite.values import sizes, unsupported
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.graph import Node, Shape, Value
from intact.ir.int_ops import IntOp


def emit_conv_transpose(ledger: Ledger, node: Node[IntOp], op: int_ops.QConvTranspose2d) -> None:
    """TRANSPOSE_CONV, and STRIDED_SLICE where it cannot crop as the padding does."""
    _check(node, op.groups, op.dilation)
    x = node.inputs[0]
    integers = weight_codes(ledger, node, op)
    scale = weight_scale(ledger, node, op.requant, integers, op.input_zero_point)
    begin = [before for before, _ in op.padding]
    padding, whole = _uncropped(x, node.output, integers.shape[1:3], op.stride, begin)
    # LiteRT's kernel has no weights of 4 bits.
    stored, bias = parameters(ledger, node, integers, scale, axis=0, packs=False)
    shape = ledger.integers(whole, f"{node.name}/output_shape")
    inputs, options = [shape, stored, ledger.read(x), bias], _options(padding, op.stride)
    out = node.output
    if whole == sizes(out):
        emit_clamped(ledger, BuiltinOperator.TRANSPOSE_CONV, inputs, node, op.requant, options)
        return
    wide = Node(op, node.inputs, Value(f"{node.name}/uncropped", whole, out.dtype, out.params))
    emit_clamped(ledger, BuiltinOperator.TRANSPOSE_CONV, inputs, wide, op.requant, options)
    _crop(ledger, ledger.read(wide.output), out, begin)


def emit_float_conv_transpose(ledger: Ledger, node: Node[IntOp], op: ops.ConvTranspose) -> None:
    """The same on real numbers."""
    _check(node, op.groups, pair(op.dilation))
    x, weight, *bias = node.inputs
    source, made = image(ledger, x), new_image(ledger, node.output)
    stride, begin = pair(op.stride), [before for before, _ in pads_of(op.padding)]
    padding, whole = _uncropped(source, made, pair(weight.shape[2:]), stride, begin)
    inputs = [
        ledger.integers(whole, f"{node.name}/output_shape"),
        real_weight(ledger, weight, (1, 2, 3, 0)),
        ledger.read(source),
        bias_tensor(ledger, bias, weight.shape[1], node.name),
    ]
    cropped = whole != sizes(made)
    target = (
        ledger.temporary(f"{node.name}/uncropped", whole, made) if cropped else ledger.write(made)
    )
    ledger.emit(BuiltinOperator.TRANSPOSE_CONV, inputs, target, _options(padding, stride))
    if cropped:
        _crop(ledger, target, made, begin)


def _check(node: Node[IntOp], groups: int, dilation: tuple[int, int]) -> None:
    if groups != 1 or dilation != (1, 1):
        lacking = "groups" if groups != 1 else "dilation"
        raise unsupported(
            node, f"TFLite's TRANSPOSE_CONV has no {lacking}", "Export to .onnx or C."
        )


def _options(padding: int, stride: tuple[int, int]) -> Options:
    fields = {"Padding": padding, "StrideH": stride[0], "StrideW": stride[1]}
    return Options("TransposeConvOptions", fields)


def _uncropped(
    x: Value, out: Value, kernel: Sequence[int], stride: tuple[int, int], begin: Sequence[int]
) -> tuple[int, Shape]:
    """(SAME or VALID, shape) of what TRANSPOSE_CONV writes: our output, or an image around it.

    SAME cuts off what its windows would read of padding; VALID takes outputs that hold every tap of
    every pixel, of which ours is the part from `begin` on.
    """
    axes = list(zip(sizes(x)[1:3], sizes(out)[1:3], kernel, stride, begin, strict=True))
    if all(
        n == -(-m // s) and before == max(0, (n - 1) * s + k - m) // 2
        for n, m, k, s, before in axes
    ):
        return int(Padding.SAME), sizes(out)
    height, width = (max((n - 1) * s + k, before + m) for n, m, k, s, before in axes)
    return int(Padding.VALID), (sizes(out)[0], height, width, sizes(out)[3])


def _crop(ledger: Ledger, source: int, out: Value, begin: Sequence[int]) -> None:
    ranges = {
        axis: (before, before + size, 1)
        for axis, before, size in zip((1, 2), begin, sizes(out)[1:3], strict=True)
    }
    strided_slice(ledger, source, ranges, ledger.write(out))
