"""Scratch memory of CMSIS-NN's functions, enough for every processor.

Its size depends on the processor's instructions, which are known when the code is compiled; the
memory is planned before. So these are the largest sizes, after `arm_*_get_buffer_sizes_s8.c`; the
generated code asks the library's own `*_get_buffer_size` whether they suffice.
"""

from dataclasses import dataclass

from intact.ir.graph import Shape
from intact.ir.int_ops import QConv2d

_LANES = 16  # of 8 bits in a register of MVE
_DEPTHWISE_BLOCK = 124  # CH_IN_BLOCK_MVE: channels that its depthwise kernel takes at once


@dataclass(frozen=True, slots=True)
class Scratch:
    """Memory that is a step's own while it runs."""

    pointer: str  # a C expression
    size: int  # bytes


def conv2d(op: QConv2d, weight: Shape) -> int:
    """Of arm_convolve_wrapper_s8, `weight` (O, kh, kw, C)."""
    _, kh, kw, channels = weight
    if kh == kw == 1 and op.padding == ((0, 0), (0, 0)):
        return 4 * channels  # Arm's own compiler: two pixels of 16 bits
    columns = -(-kh * kw * channels // _LANES)
    return 4 * columns * _LANES  # MVE: four columns; others: two of 16 bits


def depthwise_conv2d(op: QConv2d, weight: Shape) -> int:
    """Of arm_depthwise_conv_wrapper_s8, `weight` (O, kh, kw, 1)."""
    outputs, kh, kw, _ = weight
    if outputs != op.groups or op.dilation != (1, 1):
        return 0
    has_own_kernel = kh == kw == 3 and max(op.padding[0][0], op.padding[1][0]) <= 1
    without_mve = 0 if has_own_kernel else 2 * outputs * kh * kw
    return max(4 * _DEPTHWISE_BLOCK * kh * kw, without_mve)


def avg_pool2d(channels: int) -> int:
    """Of arm_avgpool_s8: sums of 32 bits."""
    return 4 * channels
