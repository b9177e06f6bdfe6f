"""Convolutions and fully connected layers."""

from collections.abc import Mapping

import numpy as np

from intact.emit.c.cmsis_nn import parts, scratch
from intact.emit.c.cmsis_nn.scratch import Scratch
from intact.emit.c.declarations import Initializer
from intact.emit.c.site import Site, volume
from intact.ir.graph import Node, Shape
from intact.ir.int_ops import IntOp, QConv2d, QLinear
from intact.numerics.arrays import Array
from intact.numerics.fixedpoint import Requant
from intact.numerics.integers import narrowest, weight_integers


def _difference(
    op: QConv2d | QLinear, node: Node[IntOp], constants: Mapping[str, Array]
) -> str | None:
    x, weight, bias = node.inputs
    found = parts.values_difference(x, node.output) or parts.requant_difference(op.requant)
    if found is not None:
        return found
    codes = constants[weight.name]
    integers = weight_integers(codes, weight.dtype, op.weight_zero_point, op.weight_shift)
    if narrowest(integers).dtype != np.int8:
        return "its weights less their zero points exceed 8 bits"
    return None if constants[bias.name].dtype == np.int32 else "its bias has 64 bits"


# --- convolution -----------------------------------------------------------------------------


def conv2d_difference(op: QConv2d, node: Node[IntOp], constants: Mapping[str, Array]) -> str | None:
    """Why not arm_convolve_wrapper_s8 or arm_depthwise_conv_wrapper_s8."""
    found = _difference(op, node, constants)
    if found is not None:
        return found
    weight = node.inputs[1].shape
    if op.groups > 1 and not _is_depthwise(op, weight):
        return "it has groups of several channels"
    if volume(weight[1:]) >= 1 << 16:
        return "it sums 65536 products or more"
    return None if _has_even_padding(op, node) else "its row is padded unevenly"


def _is_depthwise(op: QConv2d, weight: Shape) -> bool:
    return op.groups > 1 and weight[3] == 1


def _has_even_padding(op: QConv2d, node: Node[IntOp]) -> bool:
    """Whether a row, for which there is a kernel of its own, ends in as much padding as it has."""
    (_, h, w, _), (_, _, out, _) = node.inputs[0].shape, node.output.shape
    _, kh, kw, _ = node.inputs[1].shape
    if h > 1 or kh > 1 or kw == 1 or op.groups > 1 or op.dilation[1] > 1:
        return True
    return (out - 1) * op.stride[1] + kw - w == 2 * op.padding[1][0]


def conv2d_scratch(op: QConv2d, node: Node[IntOp]) -> int:
    """Bytes of scratch memory."""
    weight = node.inputs[1].shape
    of_kind = scratch.depthwise_conv2d if _is_depthwise(op, weight) else scratch.conv2d
    return of_kind(op, weight)


def conv2d(op: QConv2d, site: Site, memory: Scratch) -> list[str]:
    """QConv2d; the weights of a depthwise one are stored (1, kh, kw, O)."""
    weight = site.weight(site.node.inputs[1], op.weight_zero_point, op.weight_shift)
    fields: dict[str, Initializer] = {
        **{"input_offset": -op.input_zero_point, "output_offset": op.requant.zero_point},
        **{"stride": parts.tile(op.stride), "padding": parts.pad_tile(op.padding)},
        **{"dilation": parts.tile(op.dilation), "activation": parts.activation(op.requant)},
    }
    if not _is_depthwise(op, weight.shape):
        conv = site.structure("conv", "cmsis_nn_conv_params", fields)
        return _convolution("arm_convolve_wrapper_s8", conv, op, site, weight, memory)
    fields["ch_mult"] = weight.shape[0] // op.groups
    conv = site.structure("conv", "cmsis_nn_dw_conv_params", fields)
    moved = np.ascontiguousarray(weight.transpose(3, 1, 2, 0))
    return _convolution("arm_depthwise_conv_wrapper_s8", conv, op, site, moved, memory)


def _convolution(
    function: str, conv: str, op: QConv2d, site: Site, weight: Array, memory: Scratch
) -> list[str]:
    outputs = site.out.shape[3]
    multipliers, shifts = _multipliers(site, op.requant, outputs)
    quantization = site.structure(
        "quantization",
        "cmsis_nn_per_channel_quant_params",
        {"multiplier": multipliers, "shift": shifts},
    )
    x = parts.dims(site, "input_dims", site.x.shape)
    kernel = parts.dims(site, "filter_dims", weight.shape)
    out = parts.dims(site, "output_dims", site.out.shape)
    return [
        parts.context(memory),
        parts.enough(function, (conv, x, kernel, out)),
        parts.checked(
            function,
            (
                *("&context", conv, quantization, x, parts.read(site, site.x), kernel),
                *(_weight(site, weight), *_bias(site, outputs), out, parts.write(site)),
            ),
        ),
    ]


# --- fully connected -------------------------------------------------------------------------


def linear_difference(op: QLinear, node: Node[IntOp], constants: Mapping[str, Array]) -> str | None:
    """Why not arm_fully_connected_wrapper_s8."""
    return _difference(op, node, constants)


def linear_scratch(op: QLinear, node: Node[IntOp]) -> int:
    """None: what MVE's kernel reads from its buffer is constant."""
    del op, node
    return 0


def linear(op: QLinear, site: Site, memory: Scratch) -> list[str]:
    """QLinear; MVE's kernel finds each row's sum, with its bias, where others have scratch."""
    del memory
    weight = site.weight(site.node.inputs[1], op.weight_zero_point, op.weight_shift)
    outputs, inputs = weight.shape
    rows = volume(site.out.shape) // outputs
    params = site.structure(
        "params",
        "cmsis_nn_fc_params",
        {
            **{"input_offset": -op.input_zero_point, "filter_offset": 0},
            "output_offset": op.requant.zero_point,
            "activation": parts.activation(op.requant),
        },
    )
    channels = op.requant.multiplier.size
    multipliers, shifts = _multipliers(site, op.requant, channels)
    quantization = site.structure(
        "quantization",
        "cmsis_nn_quant_params",
        {"multiplier": multipliers, "shift": shifts, "is_per_channel": int(channels == outputs)},
    )
    x = parts.dims(site, "input_dims", (rows, 1, 1, inputs))
    kernel = parts.dims(site, "filter_dims", (inputs, 1, 1, outputs))
    out = parts.dims(site, "output_dims", (rows, 1, 1, outputs))
    return [
        parts.context(_sums(op, site, weight)),
        parts.enough("arm_fully_connected_s8", (kernel,)),
        parts.checked(
            "arm_fully_connected_wrapper_s8",
            (
                *("&context", params, quantization, x, parts.read(site, site.x), kernel),
                *(_weight(site, weight), *_bias(site, outputs), out, parts.write(site)),
            ),
        ),
    ]


def _sums(op: QLinear, site: Site, weight: Array) -> Scratch:
    """What arm_vector_sum_s8 would compute: the accumulators where all codes are 0."""
    bias = site.constants[site.node.inputs[2].name]
    sums = bias - op.input_zero_point * weight.sum(axis=1, dtype=np.int64)
    return Scratch(f"(void*){site.int32('sums', sums)}", 4 * sums.size)


# --- both ------------------------------------------------------------------------------------


def _weight(site: Site, weight: Array) -> str:
    value = site.node.inputs[1]
    return site.array("weight", weight, f"{site.node.name}: weight {value.shape} of {value.dtype}")


def _bias(site: Site, outputs: int) -> tuple[str, str]:
    """Its shape and its numbers."""
    numbers = site.array("bias", site.constants[site.node.inputs[2].name])
    return parts.dims(site, "bias_dims", (1, 1, 1, outputs)), numbers


def _multipliers(site: Site, requant: Requant, channels: int) -> tuple[str, str]:
    """Multipliers and shifts of so many channels, which CMSIS-NN does not write to."""
    multipliers, shifts = (
        site.int32(role, np.broadcast_to(numbers, channels))
        for role, numbers in (("multiplier", requant.multiplier), ("shift", requant.shift))
    )
    return f"(int32_t*){multipliers}", f"(int32_t*){shifts}"
