"""Convolutions, matrix products and normalization of an ONNX file as float ops."""

import numpy as np

from intact.capture.onnx.builder import Builder
from intact.capture.onnx.node import OnnxNode
from intact.capture.onnx.windows import as_pairs, space, window
from intact.ir import float_ops as ops
from intact.ir.graph import Value
from intact.numerics.arrays import F32, Array


def conv(node: OnnxNode, net: Builder) -> None:
    """Conv with 1 or 2 space axes."""
    x = net.value(node)
    sizes = space(node, x)
    weight = net.parameter(node, 1)
    view = window(node, sizes, weight.shape[2:])
    op = ops.Conv(view.stride, view.padding, view.dilation, node.integer("group", 1))
    net.emit(node, op, x, *_parameters(node, net, weight))


def _parameters(node: OnnxNode, net: Builder, weight: Array) -> list[Value]:
    """The weight and, if there is one, the bias of a convolution."""
    values = [_named(node, net, 1, weight)]
    if node.input(2):
        values.append(_named(node, net, 2, net.parameter(node, 2)))
    return values


def _named(node: OnnxNode, net: Builder, index: int, array: Array) -> Value:
    """The constant called like the initializer that the input comes from."""
    return net.constant(net.facts.known[node.inputs[index]].source, array)


def conv_transpose(node: OnnxNode, net: Builder) -> None:
    """ConvTranspose with 2 space axes; a given output_shape becomes padding."""
    x = net.value(node)
    sizes = space(node, x, ranks=(4,))
    weight = net.parameter(node, 1)
    plain = OnnxNode(
        node.name, node.op_type, node.inputs, node.outputs, node.opset,
        {key: a for key, a in node.attributes.items() if key not in ("auto_pad", "pads")},
    )  # fmt: skip
    view = window(plain, sizes, weight.shape[2:])
    extra = node.integers("output_padding") or (0, 0)
    if len(extra) != len(sizes) or min(extra) < 0:
        raise node.malformed(f"attribute output_padding is {extra}")
    full = tuple((n - 1) * view.stride[i] + view.reach(i) + extra[i] for i, n in enumerate(sizes))
    out = net.facts.shape(node.output)[2:]
    if node.integers("output_shape") is not None:  # what is larger than `full` is output padding
        more = tuple(max(0, o - f) for f, o in zip(full, out, strict=True))
        extra = tuple(e + m for e, m in zip(extra, more, strict=True))
        full = tuple(f + m for f, m in zip(full, more, strict=True))
    padding = _transposed_padding(node, full, out)
    op = ops.ConvTranspose(view.stride, padding, extra, view.dilation, node.integer("group", 1))
    net.emit(node, op, x, *_parameters(node, net, weight))


def _transposed_padding(node: OnnxNode, full: tuple[int, ...], out: tuple[int, ...]) -> ops.Pads:
    """Explicit pads, or those that leave `out` of the `full` extent."""
    mode = node.text("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID") and node.integers("output_shape") is None:
        pads = node.integers("pads") if mode == "NOTSET" else None
        return as_pairs(node, pads or (0,) * (2 * len(full)), len(full))
    totals = tuple(f - o for f, o in zip(full, out, strict=True))
    if min(totals) < 0:
        raise node.unsupported(
            f"asks for the output {out}, larger than {full}",
            "Export it with explicit pads",
        )
    halves = tuple((total // 2, total - total // 2) for total in totals)
    return halves if mode == "SAME_UPPER" else tuple((b, a) for a, b in halves)


def gemm(node: OnnxNode, net: Builder) -> None:
    """Alpha * A B + beta * C: Linear for a constant B, else MatMul, Mul, Add."""
    a = net.value(node)
    if node.integer("transA", 0):
        a = _transposed(node, net, a)
    matrix = net.facts.static(node.inputs[1])
    if matrix is None or node.inputs[1] in net.values:
        _general_gemm(node, net, a)
        return
    weight = matrix if node.integer("transB", 0) else matrix.T
    bias = _gemm_bias(node, net, weight.shape[0])
    weight = _scaled(weight, node.number("alpha", 1.0))
    values = [_named(node, net, 1, weight)]
    if bias is not None:
        values.append(_named(node, net, 2, bias))
    if bias is not None or not node.input(2):
        net.emit(node, ops.Linear(), a, *values)
        return
    product = net.step(
        f"{node.name}.matmul", ops.Linear(), [a, *values], net.facts.shape(node.output)
    )
    net.emit(node, ops.Add(), product, _scaled_value(node, net, 2, "beta"))


def _transposed(node: OnnxNode, net: Builder, x: Value) -> Value:
    return net.step(f"{node.name}.transpose", ops.Permute((1, 0)), [x], x.shape[::-1])


def _gemm_bias(node: OnnxNode, net: Builder, features: int) -> F32 | None:
    """Beta * C as (features,); None if it is absent or no such vector."""
    array = net.facts.static(node.input(2))
    if array is None or array.shape[:-1] not in ((), (1,)):
        return None
    vector = _filled(node, array.reshape(-1), (features,))
    return np.asarray(_scaled(vector, node.number("beta", 1.0)), np.float32)


def _scaled(array: Array, factor: float) -> Array:
    if factor == 1:
        return array
    with np.errstate(all="ignore"):  # infinite if the file says so
        return np.asarray(array * np.float64(factor), np.float32)


def _scaled_value(node: OnnxNode, net: Builder, index: int, attribute: str) -> Value:
    factor = node.number(attribute, 1.0)
    value = net.operand(node, index)
    if factor == 1:
        return value
    number = net.constant(f"{node.name}.{attribute}", np.asarray(factor, np.float32))
    return net.step(f"{node.name}.scaled", ops.Mul(), [value, number], value.shape)


def _general_gemm(node: OnnxNode, net: Builder, a: Value) -> None:
    b = net.value(node, 1)
    if node.integer("transB", 0):
        b = _transposed(node, net, b)
    alpha = node.number("alpha", 1.0)
    if alpha != 1:
        number = net.constant(f"{node.name}.alpha", np.asarray(alpha, np.float32))
        a = net.step(f"{node.name}.alpha_a", ops.Mul(), [a, number], a.shape)
    if not node.input(2):
        net.emit(node, ops.MatMul(), a, b)
        return
    shape = net.facts.shape(node.output)
    product = net.step(f"{node.name}.matmul", ops.MatMul(), [a, b], shape)
    net.emit(node, ops.Add(), product, _scaled_value(node, net, 2, "beta"))


def matmul(node: OnnxNode, net: Builder) -> None:
    """MatMul; with a constant matrix on the right, and perhaps a bias behind it, a Linear."""
    x = net.value(node)
    matrix = net.facts.static(node.inputs[1])
    if len(x.shape) < 2 or len(net.facts.infos[node.inputs[1]].shapes[0]) < 2:
        raise node.unsupported("multiplies a vector", "Give both operands at least two axes")
    if matrix is None or matrix.ndim != 2:
        net.emit(node, ops.MatMul(), x, net.value(node, 1))
        return
    net.emit(node, ops.Linear(), x, *_parameters(node, net, matrix.T))


def batch_norm(node: OnnxNode, net: Builder) -> None:
    """BatchNormalization with its running statistics; ONNX's momentum is one minus torch's."""
    training = any(node.outputs[1:]) if node.opset < 14 else node.integer("training_mode", 0)
    if training:
        raise node.unsupported("is in training mode", "Export the network in evaluation mode")
    if node.integer("spatial", 1) != 1:
        raise node.unsupported("has one number for each element", "Export it with spatial=1")
    momentum = round(1 - node.number("momentum", 0.9), 6)
    op = ops.BatchNorm(node.number("epsilon", 1e-5), momentum)
    parameters = [_named(node, net, i, net.parameter(node, i)) for i in range(1, 5)]
    net.emit(node, op, net.value(node), *parameters)


def layer_norm(node: OnnxNode, net: Builder) -> None:
    """LayerNormalization over the last axes."""
    if net.extra_outputs(node):
        raise node.unsupported("gives out its statistics", "Remove its second and third output")
    x = net.value(node)
    axis = node.integer("axis", -1)
    axes = len(x.shape) - axis if axis >= 0 else -axis
    normal = x.shape[len(x.shape) - axes :]
    if not 1 <= axes < len(x.shape) or min(normal) < 1:
        raise node.unsupported("normalizes over the batch", "Normalize over later axes alone")
    beta = net.parameter(node, 2) if node.input(2) else np.zeros(normal, np.float32)
    values = [_named(node, net, 1, _filled(node, net.parameter(node, 1), normal))]
    if node.input(2):
        values.append(_named(node, net, 2, _filled(node, beta, normal)))
    else:
        values.append(net.constant(f"{node.name}.beta", beta))
    net.emit(node, ops.LayerNorm(axes, node.number("epsilon", 1e-5)), x, *values)


def _filled(node: OnnxNode, array: Array, shape: tuple[int, ...]) -> Array:
    lead = array.ndim - len(shape)
    if lead > 0 and all(dim == 1 for dim in array.shape[:lead]):
        array = array.reshape(array.shape[lead:])
    try:
        return np.broadcast_to(array, shape)
    except ValueError as error:
        raise node.malformed(f"has a parameter of {array.shape} for {shape}") from error


def group_norm(node: OnnxNode, net: Builder) -> None:
    """GroupNormalization of opset 21; the check of the file refuses the withdrawn older form."""
    _emit_group_norm(node, net, net.value(node), node.integer("num_groups", 0))


def instance_norm(node: OnnxNode, net: Builder) -> None:
    """InstanceNormalization: group norm with a group for each channel."""
    x = net.value(node)
    _emit_group_norm(node, net, x, x.shape[1] if len(x.shape) > 1 else 0)


def _emit_group_norm(node: OnnxNode, net: Builder, x: Value, groups: int) -> None:
    if len(x.shape) < 3 or min(x.shape[1:]) < 1:
        raise node.unsupported(
            f"has an input of shape {x.shape}", "Give it channels and at least one space axis"
        )
    channels = x.shape[1]
    if groups < 1 or channels % groups:
        raise node.malformed(f"has {channels} channels in {groups} groups")
    parameters = [
        _named(node, net, index, _filled(node, net.parameter(node, index), (channels,)))
        for index in (1, 2)
    ]
    net.emit(node, ops.GroupNorm(groups, node.number("epsilon", 1e-5)), x, *parameters)
