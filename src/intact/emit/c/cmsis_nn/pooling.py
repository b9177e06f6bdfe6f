"""Pooling."""

from collections.abc import Mapping

from intact.emit.c.cmsis_nn import parts, scratch
from intact.emit.c.cmsis_nn.scratch import Scratch
from intact.emit.c.site import Site
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp, QAvgPool2d, QMaxPool2d
from intact.numerics.arrays import Array


def max_pool_difference(
    op: QMaxPool2d, node: Node[IntOp], constants: Mapping[str, Array]
) -> str | None:
    """Why not arm_max_pool_s8."""
    del constants
    if op.dilation != (1, 1):
        return "its window is dilated"
    return parts.values_difference(*node.inputs, node.output)


def avg_pool_difference(
    op: QAvgPool2d, node: Node[IntOp], constants: Mapping[str, Array]
) -> str | None:
    """Why not arm_avgpool_s8."""
    del constants
    if op.count_include_pad and op.padding != ((0, 0), (0, 0)):
        return "its padding counts"
    return parts.values_difference(*node.inputs, node.output)


def max_pool_scratch(op: QMaxPool2d, node: Node[IntOp]) -> int:
    """None."""
    del op, node
    return 0


def avg_pool_scratch(op: QAvgPool2d, node: Node[IntOp]) -> int:
    """Bytes of scratch memory."""
    del op
    return scratch.avg_pool2d(node.output.shape[3])


def max_pool2d(op: QMaxPool2d, site: Site, memory: Scratch) -> list[str]:
    """QMaxPool2d."""
    return [parts.context(memory), _call("arm_max_pool_s8", op, site)]


def avg_pool2d(op: QAvgPool2d, site: Site, memory: Scratch) -> list[str]:
    """QAvgPool2d."""
    _, _, columns, channels = site.out.shape
    return [
        parts.context(memory),
        parts.enough("arm_avgpool_s8", (str(columns), str(channels))),
        _call("arm_avgpool_s8", op, site),
    ]


def _call(function: str, op: QMaxPool2d | QAvgPool2d, site: Site) -> str:
    params = site.structure(
        "params",
        "cmsis_nn_pool_params",
        {
            **{"stride": parts.tile(op.stride), "padding": parts.pad_tile(op.padding)},
            "activation": parts.range_activation(site.out),
        },
    )
    x = parts.dims(site, "input_dims", site.x.shape)
    window = parts.dims(site, "filter_dims", (1, *op.kernel, 1))
    out = parts.dims(site, "output_dims", site.out.shape)
    arguments = (params, x, parts.read(site, site.x), window, out, parts.write(site))
    return parts.checked(function, ("&context", *arguments))
