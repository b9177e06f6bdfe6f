"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""

import numpy as np

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.errors import FormatError, UnsupportedOpError
from intact.ir import int_ops
from intact.ir.graph import Value
from intact.numerics.fixedpoint import Int64Array
from intact.numerics.formats import Int
from intact.numerics.special import round_half_away

_LARGEST = 1 << 20  # of an image's side


def bilinear(net: Builder, operator: Operator) -> None:
    """RESIZE_BILINEAR with aligned corners or half-pixel centres."""
    options = net.options(operator, "ResizeBilinearOptions")
    x = net.codes(operator, 0)
    size = _size(net, operator, x)
    if x.dtype == Int(8, signed=False):
        raise UnsupportedOpError(
            f"{net.title(operator)} of uint8, which TFLite resizes in real numbers; convert the"
            " network to int8"
        )
    aligned = bool(options.integer("AlignCorners"))
    if not aligned and not options.integer("HalfPixelCenters") and size != x.shape[1:3]:
        raise UnsupportedOpError(
            f"{net.title(operator)} has neither aligned corners nor half-pixel centres, as"
            " TensorFlow 1 resized; convert the network from TensorFlow 2"
        )
    net.emit(operator, int_ops.QResizeBilinear2d(size, aligned), [x])


def nearest(net: Builder, operator: Operator) -> None:
    """RESIZE_NEAREST_NEIGHBOR, where its float32 finds the pixels floor(i * in / out)."""
    options = net.options(operator, "ResizeNearestNeighborOptions")
    x = net.codes(operator, 0)
    size = _size(net, operator, x)
    aligned = bool(options.integer("AlignCorners"))
    centred = bool(options.integer("HalfPixelCenters"))
    for n, out in zip(x.shape[1:3], size, strict=True):
        if not np.array_equal(_sources(n, out, aligned, centred), np.arange(out) * n // out):
            raise UnsupportedOpError(
                f"{net.title(operator)} from {n} to {out} pixels takes other neighbours than"
                " intact; resize by a whole factor"
            )
    net.emit(operator, int_ops.QResizeNearest2d(size), [x])


def _size(net: Builder, operator: Operator, x: Value) -> tuple[int, int]:
    size = net.integers(operator, 1)
    if len(size) != 2 or len(x.shape) != 4 or not 1 <= min(size) <= max(size) <= _LARGEST:
        raise FormatError(f"{net.title(operator)} resizes shape {x.shape} to {size[:4]}")
    return size[0], size[1]


def _sources(size: int, out: int, aligned: bool, centred: bool) -> Int64Array:
    """GetNearestNeighbor: the pixel that each output takes."""
    aligns = aligned and out > 1
    scale = np.float32(size - 1 if aligns else size) / np.float32(out - 1 if aligns else out)
    position = (np.arange(out, dtype=np.float32) + np.float32(0.5 if centred else 0)) * scale
    pixel = round_half_away(position) if aligned else np.floor(position)
    return np.clip(pixel.astype(np.int64), 0, size - 1)
