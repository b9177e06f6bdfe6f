"""SQuant: rounding without data whose errors cancel in each kernel and in each channel.

Guo et al. 2022, "SQuant: on-the-fly data-free quantization via diagonal Hessian approximation",
section 3. Where a layer's inputs are alike, within a channel and from channel to channel, errors
that sum up to little do little. Of codes q for weights w let e = q - w / scale be the errors in
steps, and of a set of them s the sum. Codes whose e has the sign of s go one step against it:

1. In each kernel, an output channel's weights for one input channel, the round(|s|) codes of the
   largest errors. Then |s| <= 1/2.
2. In each output channel one code, that of the largest error, in the round(|s|) kernels of the
   largest sums. Then |s| <= 1/2 in the channel, and below 1 in each kernel.

No code is more than one step from that of the nearest value. Codes at the ends of the format do not
leave it, so that sums of weights beyond them come only as near as that allows. Weights in groups
have the sums of each group. Mean errors stay where the channels' means differ: `BiasCorrected`
takes them back, and should be used where the means are known.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from intact.numerics.arrays import F64, Array, Codes
from intact.numerics.formats import Int
from intact.numerics.granularity import stretch
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.ptq.protocol import WeightMethod


@dataclass(frozen=True, slots=True)
class SQuant:
    """The scales of `method`, which rounds to nearest integers, and codes whose errors cancel."""

    method: WeightMethod

    def __call__(self, weight: Tensor, inputs: Tensor | None = None) -> ScaledTensor:
        """The weight as codes.

        Raises:
            ValueError: if `method` does not give integers.
        """
        match self.method(weight, inputs):
            case ScaledTensor(nearest, QuantParams(Int() as format) as params):
                w = weight.detach().cpu().double().numpy()
                exact = w / stretch(params.scale, w.shape) + stretch(params.offset, w.shape)
                groups = params.scale.shape[1]
                parts = (len(nearest) * groups, nearest.shape[1] // groups, -1)
                rounding = _Rounding(nearest.reshape(parts), exact.reshape(parts), format)
                codes = rounding.in_channels(rounding.in_kernels()).reshape(nearest.shape)
                return ScaledTensor(codes.astype(nearest.dtype), params)
            case _:
                raise ValueError(f"SQuant is about rounding to integers; {self.method} does not")


@dataclass(frozen=True, slots=True)
class _Rounding:
    """Weights in steps, and their nearest codes: (channels, kernels, taps)."""

    nearest: Codes
    exact: F64
    format: Int

    def in_kernels(self) -> Codes:
        """Codes whose errors cancel in each kernel."""
        codes = self.nearest.astype(np.int64)
        total = (codes - self.exact).sum(axis=2)
        step = np.sign(total).astype(np.int64)[..., None]
        return np.asarray(codes - step * _largest(self._gains(codes, step), total))

    def in_channels(self, codes: Codes) -> Codes:
        """Codes whose errors cancel in each channel, one more changed in a kernel at most."""
        kernels = (codes - self.exact).sum(axis=2)
        total = kernels.sum(axis=1)
        step = np.sign(total).astype(np.int64)[:, None, None]
        gains = self._gains(codes, step)
        best = gains.argmax(axis=2)[..., None]
        movable = np.take_along_axis(gains, best, axis=2)[..., 0] > 0
        chosen = _largest(np.where(movable, kernels * step[..., 0], 0), total)
        moves = np.zeros_like(codes)
        np.put_along_axis(moves, best, chosen[..., None].astype(np.int64), axis=2)
        return np.asarray(codes - step * moves)

    def _gains(self, codes: Codes, step: Codes) -> F64:
        """The error of each code that may go a step down (or up: -1) and errs upwards, else 0."""
        moved = codes - step
        held = (moved >= self.format.qmin) & (moved <= self.format.qmax)
        able = held & (np.abs(moved - self.nearest) <= 1)
        return np.where(able, np.maximum((codes - self.exact) * step, 0), 0)


def _largest(gains: F64, total: F64) -> Array:
    """Which of the positive gains (..., n) are among the round(|total|) largest."""
    order = np.argsort(-gains, axis=-1, kind="stable")
    rank = np.argsort(order, axis=-1, kind="stable")
    return np.asarray((rank < np.rint(np.abs(total))[..., None]) & (gains > 0))
