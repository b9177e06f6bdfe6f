"""Calls of layers with weights and of products of activations."""

import numpy as np

from intact.emit.c.declarations import Initializer
from intact.emit.c.site import HALF, Site, volume
from intact.ir import int_ops
from intact.ir.graph import Shape
from intact.ir.packing import pack
from intact.numerics.formats import Int

_FOUR_BITS = Int(4)
_SUMS = 16  # INTACT_SUMS of intact_dot.h: output channels of a block


def conv2d(op: int_ops.QConv2d, site: Site) -> list[str]:
    """QConv2d; the weights of a depthwise one are stored (kh, kw, C)."""
    weight = site.weight(site.node.inputs[1], op.weight_zero_point, op.weight_shift)
    if weight.shape[3] == 1 and op.groups == weight.shape[0]:
        moved = np.ascontiguousarray(weight[..., 0].transpose(1, 2, 0))
        return _convolution("intact_depthwise_conv2d", op, site, moved, weight.shape)
    return _convolution("intact_conv2d", op, site, _packed(weight, op.weight_shift), weight.shape)


def conv_transpose2d(op: int_ops.QConvTranspose2d, site: Site) -> list[str]:
    """QConvTranspose2d."""
    weight = site.weight(site.node.inputs[1], op.weight_zero_point, op.weight_shift)
    return _convolution(
        "intact_conv_transpose2d", op, site, _packed(weight, op.weight_shift), weight.shape
    )


def _convolution(
    kernel: str,
    op: int_ops.QConv2d | int_ops.QConvTranspose2d,
    site: Site,
    weight: np.ndarray,
    shape: Shape,
) -> list[str]:
    """`weight` as the kernel takes it; `shape` is (O, kh, kw, C / groups)."""
    (n, h, w, c), (_, oh, ow, o) = site.x.shape, site.out.shape
    conv = site.structure(
        "conv",
        "intact_conv",
        {
            **{"n": n, "h": h, "w": w, "c": c, "oh": oh, "ow": ow, "o": o},
            **{"kh": shape[1], "kw": shape[2]},
            **{"stride_h": op.stride[0], "stride_w": op.stride[1]},
            **{"pad_top": op.padding[0][0], "pad_left": op.padding[1][0]},
            **{"dilation_h": op.dilation[0], "dilation_w": op.dilation[1]},
            **{"groups": op.groups, "factors": _factors(op, site, weight)},
        },
    )
    pointers = f"{site.read(site.x)}, {_weight(site, weight)}, {_finish(op, site)}"
    return [f"{kernel}({conv}, {pointers}, 0, {n * oh});"]


def linear(op: int_ops.QLinear, site: Site) -> list[str]:
    """QLinear."""
    weight = site.weight(site.node.inputs[1], op.weight_zero_point, op.weight_shift)
    outputs, inputs = weight.shape
    rows = volume(site.out.shape) // outputs
    stored = _packed(weight, op.weight_shift)
    factors = site.structure("factors", "intact_factors", _factors(op, site, stored))
    arguments = f"{factors}, {inputs}, {outputs}, {site.read(site.x)}, {_weight(site, stored)}"
    blocks = rows * -(-outputs // _SUMS)
    return [f"intact_linear({arguments}, {_finish(op, site)}, 0, {blocks});"]


def _factors(
    op: int_ops.QConv2d | int_ops.QConvTranspose2d | int_ops.QLinear, site: Site, weight: np.ndarray
) -> dict[str, Initializer]:
    return {
        "x_type": site.code_type(site.x),
        "weight_type": site.weight_type(weight, op.weight_shift),
        "zero_point": op.input_zero_point,
        "wide": int(op.requant.accumulator_bits == 64),
    }


def _packed(weight: np.ndarray, shift: int = 0) -> np.ndarray:
    """Two integers to a byte, as uint8, where all have 4 bits and kernels can find their rows.

    Where they were shifted by 4 or more, the upper halves of bytes.
    """
    halves = weight >> HALF if shift >= HALF else weight
    if weight.shape[-1] % 2 or halves.min() < _FOUR_BITS.qmin or halves.max() > _FOUR_BITS.qmax:
        return weight
    return pack(halves, _FOUR_BITS)


def _weight(site: Site, weight: np.ndarray) -> str:
    about = f"{site.node.name}: weight {site.node.inputs[1].shape} of {site.node.inputs[1].dtype}"
    about += ", two to a byte" if weight.dtype == np.uint8 else ""
    return site.array("weight", weight, about)


def _finish(op: int_ops.QConv2d | int_ops.QConvTranspose2d | int_ops.QLinear, site: Site) -> str:
    bias = site.constants[site.node.inputs[2].name]
    requant = site.structure("requant", "intact_requant", site.requant(op.requant))
    fields: dict[str, Initializer] = {
        "bias": site.array("bias", bias),
        "bias_wide": int(bias.dtype == np.int64),
        "requant": requant,
        "out": site.write(),
        "out_type": site.code_type(site.out),
    }
    return site.structure("finish", "intact_finish", fields)


def matmul(op: int_ops.QMatMul, site: Site) -> list[str]:
    """QMatMul."""
    a, b = site.node.inputs
    batch = site.out.shape[:-2]
    product = site.structure(
        "product",
        "intact_product",
        {
            **{"m": a.shape[-2], "k": a.shape[-1], "n": b.shape[-1], "rank": len(batch)},
            "shape": _numbers(site, "shape", batch),
            "a_steps": _numbers(site, "a_steps", _matrix_steps(a.shape, len(batch))),
            "b_steps": _numbers(site, "b_steps", _matrix_steps(b.shape, len(batch))),
            **{"a_zero_point": op.a_zero_point, "b_zero_point": op.b_zero_point},
            **{"a_type": site.code_type(a), "b_type": site.code_type(b)},
            "out_type": site.code_type(site.out),
            "requant": site.requant(op.requant),
        },
    )
    rows = volume(site.out.shape[:-1])
    return [f"intact_matmul({product}, {site.read(a)}, {site.read(b)}, {site.write()}, 0, {rows});"]


def _numbers(site: Site, role: str, numbers: tuple[int, ...]) -> str:
    return site.int32(role, np.array(numbers)) if numbers else "NULL"


def _matrix_steps(shape: Shape, rank: int) -> tuple[int, ...]:
    """For each leading axis of the result, the operand's matrices from one index to the next."""
    leading = (1,) * (rank + 2 - len(shape)) + shape[:-2]
    return tuple(0 if leading[axis] == 1 else volume(leading[axis + 1 :]) for axis in range(rank))


def embedding(op: int_ops.QEmbedding, site: Site) -> list[str]:
    """QEmbedding; it ends the run where an index is that of no row."""
    indices, codes = site.node.inputs
    if indices.dtype.storage.name not in ("int32", "int64"):
        raise site.refusal(
            f'its indices "{indices.name}" are {indices.dtype}; give them as int32 or int64'
        )
    integers = site.weight(codes, op.weight_zero_point)
    weight, (vocabulary, depth) = _packed(integers), integers.shape
    table = site.structure(
        "table",
        "intact_table",
        {
            **{"vocabulary": vocabulary, "depth": depth},
            "indices_wide": int(indices.dtype.storage == np.int64),
            "weight_type": site.weight_type(weight),
            "out_type": site.code_type(site.out),
            "requant": site.requant(op.requant),
        },
    )
    pointers = f"{site.read(indices)}, {_weight(site, weight)}, {site.write()}"
    call = f"intact_embedding({table}, {pointers}, 0, {volume(indices.shape)})"
    return [f"if ({call}) return 1;"]
