"""Integer convolutions, channels last, as exact matrix products or shifted sums (eq. 16, 21)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from intact.exec import exact
from intact.exec.exact import Kernel
from intact.exec.float_convolution import crop, transposed_canvas
from intact.exec.requantize import Finish, requantizer
from intact.exec.windows import pad_space, taps
from intact.ir import int_ops
from intact.ir.float_ops import Pads
from intact.ir.graph import Node
from intact.ir.int_ops import IntOp
from intact.ir.windows import windows
from intact.numerics.arrays import Array, Codes, IntArray
from intact.numerics.fixedpoint import Int64Array
from intact.numerics.integers import weight_integers

_COLUMNS = 1 << 19  # elements of one block of im2col columns
_ROWS = 1 << 15  # elements of one block of a depthwise convolution: stays in the L2 cache


@dataclass(frozen=True, slots=True)
class Convolution:
    """Sums of products of x (N, H, W, C) with integers (O, kh, kw, C/groups), without bias.

    x is padded with `fill`; the sums are those of the codes themselves, zero points not subtracted.
    """

    stride: tuple[int, int]
    padding: Pads
    dilation: tuple[int, int]
    groups: int
    fill: int
    weight: Array  # (O, kh, kw, C/groups) in a dtype in which the sums are exact

    def output_shape(self, x: Array) -> tuple[int, ...]:
        """(N, OH, OW, O)."""
        kernel = self.weight.shape[1:3]
        space = windows(x.shape[1:3], kernel, self.stride, self.dilation, self.padding)
        return (x.shape[0], *space, self.weight.shape[0])

    def __call__(self, x: Codes, finish: Finish, out: Array) -> None:
        """Calls finish(sums, out's part) for blocks of whole pixels; out is contiguous."""
        if self.weight.shape[1:3] == (1, 1) and self.groups == 1:
            self._pointwise(x, finish, out)
        elif self.weight.shape[3] == 1 and self.groups > 1:
            self._depthwise(x, finish, out)
        else:
            self._im2col(x, finish, out)

    def _pointwise(self, x: Codes, finish: Finish, out: Array) -> None:
        padded = pad_space(x, self.padding, 1, self.fill)
        rows = padded[:, :: self.stride[0], :: self.stride[1]].reshape(-1, x.shape[3])
        matrix = self.weight.reshape(len(self.weight), -1).T
        exact.multiply_rows(rows, matrix, finish, out.reshape(-1, len(self.weight)))

    def _blocks(
        self, shape: tuple[int, ...], pixel: int, limit: int
    ) -> Iterator[tuple[slice, slice]]:
        """(samples, output rows) of blocks of at most `limit` elements, `pixel` for each pixel."""
        samples, height, width = shape[:3]
        rows = max(1, limit // max(1, width * pixel))
        if rows >= height:
            step = max(1, rows // height)
            for start in range(0, samples, step):
                yield slice(start, start + step), slice(0, height)
            return
        for sample in range(samples):
            for start in range(0, height, rows):
                yield slice(sample, sample + 1), slice(start, min(height, start + rows))

    def _rows_read(self, rows: slice) -> slice:
        """The rows of the padded input that output rows are computed from."""
        extent = (self.weight.shape[1] - 1) * self.dilation[0] + 1
        return slice(rows.start * self.stride[0], (rows.stop - 1) * self.stride[0] + extent)

    def _depthwise(self, x: Codes, finish: Finish, out: Array) -> None:
        """Multiply and add, tap by tap."""
        multiplier = self.weight.shape[0] // self.groups
        if multiplier > 1:
            x = np.repeat(x, multiplier, axis=3)
        kernel, channels = self.weight.shape[1:3], x.shape[3]
        columns = self.weight.reshape(channels, -1).T.copy()
        for samples, rows in self._blocks(out.shape, channels, _ROWS):
            part = self._padded_rows(x[samples], rows)
            target = out[samples, rows]
            views = taps(part, 1, kernel, self.stride, self.dilation, target.shape[1:3])
            total = next(views) * columns[0]
            product = np.empty_like(total)
            for tap, view in enumerate(views, start=1):
                np.multiply(view, columns[tap], out=product)
                total += product
            finish(total, target)

    def _padded_rows(self, x: Codes, rows: slice) -> Array:
        """The padded input rows that these output rows read."""
        (top, _), sides = self.padding
        read = self._rows_read(rows)
        inside = x[:, max(0, read.start - top) : max(0, read.stop - top)]
        above = max(0, top - read.start)
        below = read.stop - read.start - above - inside.shape[1]
        return pad_space(inside.astype(self.weight.dtype), ((above, below), sides), 1, self.fill)

    def _im2col(self, x: Codes, finish: Finish, out: Array) -> None:
        kernel, groups = self.weight.shape[1:3], self.groups
        channels, depth = x.shape[3], self.weight.shape[3]
        positions = math.prod(kernel)
        matrix = self.weight.reshape(groups, -1, positions * depth).transpose(0, 2, 1)
        for samples, rows in self._blocks(out.shape, positions * channels, _COLUMNS):
            part = self._padded_rows(x[samples], rows)
            target = out[samples, rows]
            shape = (groups, *target.shape[:3], positions, depth)
            columns = np.empty(shape, self.weight.dtype)
            views = taps(part, 1, kernel, self.stride, self.dilation, target.shape[1:3])
            for tap, view in enumerate(views):
                split = view.reshape(*view.shape[:3], groups, depth)
                columns[..., tap, :] = np.moveaxis(split, 3, 0)
            sums = columns.reshape(groups, -1, positions * depth) @ matrix
            finish(np.ascontiguousarray(sums.transpose(1, 0, 2)), target)


def conv2d(op: int_ops.QConv2d, node: Node[IntOp], weight: Codes, bias: IntArray) -> Kernel:
    """QConv2d: x (N, H, W, C) to (N, OH, OW, O)."""
    integers = weight_integers(weight, node.inputs[1].dtype, op.weight_zero_point, op.weight_shift)
    rows = integers.reshape(len(integers), -1)
    zero_point = op.input_zero_point
    dtype = exact.exact_dtype(exact.largest_sum(rows, exact.reach(node.inputs[0])))
    convolve = Convolution(
        op.stride, op.padding, op.dilation, op.groups, zero_point, integers.astype(dtype)
    )
    # eq. 17: padded x are z_x, so that every pixel has all of its taps.
    offset = bias.astype(np.int64) - zero_point * rows.sum(axis=1)
    finish = requantizer(op.requant, len(rows), offset)
    storage = node.output.dtype.storage

    def run(x: Codes) -> Codes:
        out = np.empty(convolve.output_shape(x), storage)
        convolve(x, finish, out)
        return out

    return run


def conv_transpose2d(
    op: int_ops.QConvTranspose2d, node: Node[IntOp], weight: Codes, bias: IntArray
) -> Kernel:
    """QConvTranspose2d: each pixel adds its patch to a canvas, which is then cropped."""
    integers = weight_integers(weight, node.inputs[1].dtype, op.weight_zero_point, op.weight_shift)
    out_channels, kh, kw, depth = integers.shape
    largest = exact.reach(node.inputs[0], op.input_zero_point)
    bound = exact.largest_sum(integers.reshape(out_channels, -1), largest)
    matrix = _patch_matrix(integers, op.groups).astype(exact.exact_dtype(bound))
    finish = requantizer(op.requant, out_channels, bias.astype(np.int64))
    storage = node.output.dtype.storage
    kernel = (kh, kw)

    def run(x: Codes) -> Codes:
        space = x.shape[1:3]
        canvas_size = transposed_canvas(op, space, kernel)
        size = [n - sum(pads) for n, pads in zip(canvas_size, op.padding, strict=True)]
        out = np.empty((len(x), *size, out_channels), storage)
        for sample, target in zip(x, out, strict=True):
            pixels = sample.reshape(-1, op.groups, depth).transpose(1, 0, 2)
            centred = pixels.astype(matrix.dtype) - matrix.dtype.type(op.input_zero_point)
            patches = (centred @ matrix).reshape(op.groups, *space, kh * kw, -1)
            canvas = np.zeros((*canvas_size, op.groups, out_channels // op.groups), matrix.dtype)
            views = taps(canvas, 0, kernel, op.stride, op.dilation, space)
            for tap, view in enumerate(views):
                view += np.moveaxis(patches[..., tap, :], 0, 2)
            sums = np.ascontiguousarray(crop(canvas, op, space, kernel, first=0))
            finish(sums, target)
        return out

    return run


def _patch_matrix(integers: Int64Array, groups: int) -> Int64Array:
    """(O, kh, kw, C/groups) to (groups, C/groups, taps * O/groups)."""
    out_channels, kh, kw, depth = integers.shape
    split = integers.reshape(groups, out_channels // groups, kh * kw, depth)
    return split.transpose(0, 3, 2, 1).reshape(groups, depth, -1)
