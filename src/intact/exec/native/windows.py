"""Sliding windows as kernels take them."""

from intact.exec.native.library import native
from intact.ir import int_ops as ops


def window(op: ops.QConv2d | ops.QConvTranspose2d | ops.DynamicConv2d) -> native.Window:
    """The attributes of a convolution."""
    return native.Window(op.stride, op.padding, op.dilation, op.groups)
