"""Random operations on images, with every kind of window that TFLite can hold."""

import numpy as np

from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp, Pads
from tests.contract.test_lower import Case

Pair = tuple[int, int]


def _pair(rng: np.random.Generator, low: int, high: int) -> Pair:
    return int(rng.integers(low, high + 1)), int(rng.integers(low, high + 1))


def _pads(rng: np.random.Generator, kernel: Pair) -> Pads:
    """Up to half of the kernel on each side, so that every window meets a pixel."""
    return tuple((int(rng.integers(k // 2 + 1)), int(rng.integers(k // 2 + 1))) for k in kernel)


def draw_case(rng: np.random.Generator) -> Case:
    """An operation, and the shapes of what it reads."""
    height, width = _pair(rng, 6, 12)
    channels = int(rng.choice([1, 2, 4, 8, 12]))
    image = (-1, channels, height, width)
    draw = (_conv, _depthwise, _transposed, _linear, _pool, _resize, _other)
    return draw[int(rng.integers(len(draw)))](rng, image)


def _conv(rng: np.random.Generator, image: tuple[int, ...]) -> Case:
    channels = image[1]
    groups = int(rng.choice([g for g in (1, 1, 2, 4) if channels % g == 0]))
    kernel, out = _pair(rng, 1, 3), groups * int(rng.integers(1, 6))
    op = ops.Conv(_pair(rng, 1, 3), _pads(rng, kernel), _pair(rng, 1, 2), groups)
    return Case("conv", op, (image,), ((out, channels // groups, *kernel), (out,)))


def _depthwise(rng: np.random.Generator, image: tuple[int, ...]) -> Case:
    channels, kernel = image[1], _pair(rng, 1, 4)
    out = channels * int(rng.integers(1, 4))
    op = ops.Conv(_pair(rng, 1, 3), _pads(rng, kernel), (1, 1), channels)
    return Case("depthwise", op, (image,), ((out, 1, *kernel), (out,)))


def _transposed(rng: np.random.Generator, image: tuple[int, ...]) -> Case:
    kernel, stride = _pair(rng, 1, 4), _pair(rng, 1, 3)
    more = tuple(int(rng.integers(s)) for s in stride)
    out = int(rng.integers(1, 6))
    op = ops.ConvTranspose(stride, _pads(rng, kernel), more, (1, 1))
    return Case("transposed", op, (image,), ((image[1], out, *kernel), (out,)))


def _linear(rng: np.random.Generator, image: tuple[int, ...]) -> Case:
    rows, out = image[2], int(rng.integers(1, 20))
    shape = (-1, image[3]) if rng.random() < 0.5 else (-1, rows, image[3])
    return Case("linear", ops.Linear(), (shape,), ((out, image[3]), (out,)))


def _pool(rng: np.random.Generator, image: tuple[int, ...]) -> Case:
    kernel, stride = _pair(rng, 1, 4), _pair(rng, 1, 3)
    pads = _pads(rng, kernel)
    kinds: list[FloatOp] = [
        ops.MaxPool(kernel, stride, pads, (1, 1)),
        ops.AvgPool(kernel, stride, pads, bool(rng.random() < 0.5), (0, 0)),
        ops.AdaptiveAvgPool(_pair(rng, 1, 5)),
        ops.Mean((2, 3), keepdims=bool(rng.random() < 0.5)),
    ]
    return Case("pool", kinds[int(rng.integers(len(kinds)))], (image,))


def _resize(rng: np.random.Generator, image: tuple[int, ...]) -> Case:
    size = _pair(rng, 1, 30)
    corners = bool(rng.random() < 0.5)
    op = ops.ResizeNearest(size) if rng.random() < 0.5 else ops.ResizeBilinear(size, corners)
    return Case("resize", op, (image,))


def _other(rng: np.random.Generator, image: tuple[int, ...]) -> Case:
    kind = int(rng.integers(5))
    if kind == 0:
        return Case("add", ops.Add(), (image, (-1, image[1], 1, 1)))
    if kind == 1:
        return Case("mul", ops.Mul(), (image, image))
    if kind == 2:
        low = float(rng.normal())
        return Case("clamp", ops.Clamp(low, low + float(rng.random())), (image,))
    if kind == 3:
        return Case("silu", ops.Silu(), (image,))
    return Case("softmax", ops.Softmax(1), (image,))
