"""A layer's weight by channels: scaled along them, summed and bounded over the kernel's taps."""

from typing import TypeAlias

import numpy as np

from intact.ir import float_ops as ops
from intact.numerics.arrays import F64, Array

Layered: TypeAlias = ops.Conv | ops.ConvTranspose | ops.Linear


def by_channels(op: Layered, weight: Array, channels: int) -> F64:
    """The weight as (groups, outputs of a group, inputs of a group, taps).

    `channels` are those of the layer's input. A linear layer may read several numbers of each, as
    behind a flattened image: these are its taps.
    """
    wide = weight.astype(np.float64)
    match op:
        case ops.Conv(groups=groups):
            return wide.reshape(groups, weight.shape[0] // groups, channels // groups, -1)
        case ops.ConvTranspose(groups=groups):
            parts = wide.reshape(groups, channels // groups, weight.shape[1], -1)
            return parts.swapaxes(1, 2)
        case ops.Linear():
            return wide.reshape(1, weight.shape[0], channels, -1)


def scaled(op: Layered, weight: Array, outputs: Array, inputs: Array) -> F64:
    """The weight times a factor for each output channel (O,) and each input channel (C,)."""
    parts = by_channels(op, weight, inputs.size)
    groups, rows, columns, _ = parts.shape
    factors = outputs.reshape(groups, rows, 1, 1) * inputs.reshape(groups, 1, columns, 1)
    product = parts * factors
    if isinstance(op, ops.ConvTranspose):
        product = product.swapaxes(1, 2)
    return np.asarray(product.reshape(weight.shape))


def through(op: Layered, weight: Array, inputs: Array) -> F64:
    """What a layer without bias makes of a constant for each input channel: (C,) to (O,).

    Borders count as if the constant went on behind them. Of a transposed convolution's taps, one in
    prod(stride) reaches any output pixel.
    """
    taps = by_channels(op, weight, inputs.size).sum(axis=3)
    sums = (taps @ inputs.reshape(taps.shape[0], -1, 1).astype(np.float64)).ravel()
    return np.asarray(sums / np.prod(op.stride) if isinstance(op, ops.ConvTranspose) else sums)


def flattened(factors: F64, size: int) -> F64:
    """A number for each channel where each channel has become size / C numbers in a row."""
    return np.repeat(factors, size // factors.size)
