"""Pooling, reductions and resizing of an ONNX file as float ops."""

import numpy as np

from intact.capture.onnx.builder import Builder
from intact.capture.onnx.node import OnnxNode
from intact.capture.onnx.windows import Window, space, window
from intact.ir import float_ops as ops
from intact.ir.graph import Shape, Value
from intact.numerics.arrays import F64

_LONGEST_AXIS = 1 << 20  # of a resized picture


def max_pool(node: OnnxNode, net: Builder) -> None:
    """MaxPool; what ceil_mode adds is padding."""
    if net.extra_outputs(node):
        raise node.unsupported("gives out the indices of its maxima", "Remove its second output")
    x = net.value(node)
    sizes = space(node, x)
    view = _pool_window(node, sizes)
    over = view.overhang(sizes, net.facts.shape(node.output)[2:])
    padding = tuple((a, b + extra) for (a, b), extra in zip(view.padding, over, strict=True))
    net.emit(node, ops.MaxPool(view.kernel, view.stride, padding, view.dilation), x)


def average_pool(node: OnnxNode, net: Builder) -> None:
    """AveragePool; what ceil_mode adds never counts."""
    x = net.value(node)
    sizes = space(node, x)
    view = _pool_window(node, sizes)
    if any(dilation != 1 for dilation in view.dilation):
        raise node.unsupported("is dilated", "Use a depthwise convolution instead")
    over = view.overhang(sizes, net.facts.shape(node.output)[2:])
    counts = bool(node.integer("count_include_pad", 0))
    net.emit(node, ops.AvgPool(view.kernel, view.stride, view.padding, counts, over), x)


def _pool_window(node: OnnxNode, sizes: Shape) -> Window:
    kernel = node.integers("kernel_shape")
    if kernel is None:
        raise node.malformed("has no kernel_shape")
    view = window(node, sizes, kernel)
    if any(max(pair) >= view.reach(axis) for axis, pair in enumerate(view.padding)):
        raise node.unsupported(
            f"has padding {view.padding} as large as its window", "Pad less than the window"
        )
    return view


def global_average_pool(node: OnnxNode, net: Builder) -> None:
    """Mean over all space axes, which stay with size 1."""
    x = net.value(node)
    net.emit(node, ops.AdaptiveAvgPool((1,) * len(space(node, x))), x)


def global_max_pool(node: OnnxNode, net: Builder) -> None:
    """Maximum over all space axes, which stay with size 1."""
    x = net.value(node)
    net.emit(node, _whole(space(node, x)), x)


def _whole(sizes: Shape) -> ops.MaxPool:
    ones = (1,) * len(sizes)
    return ops.MaxPool(sizes, ones, ((0, 0),) * len(sizes), ones)


def _axes(node: OnnxNode, net: Builder, x: Value) -> tuple[int, ...]:
    """The axes of a reduction; empty if it reduces nothing."""
    given = net.integers(node, "axes", 1)
    rank = len(x.shape)
    if not given:
        given = () if node.integer("noop_with_empty_axes", 0) else tuple(range(rank))
    axes = tuple(sorted({axis % rank for axis in given}))
    if any(x.shape[axis] < 0 for axis in axes):
        raise node.unsupported("mixes the samples of the batch", "Reduce over later axes alone")
    return axes


def reduce_mean(node: OnnxNode, net: Builder) -> None:
    """Mean over axes."""
    x = net.value(node)
    axes = _axes(node, net, x)
    if axes:
        net.emit(node, ops.Mean(axes, node.integer("keepdims", 1) == 1), x)
    else:
        net.alias(node, x)


def reduce_sum(node: OnnxNode, net: Builder) -> None:
    """Sum over axes, as the mean times their number of elements."""
    x = net.value(node)
    axes = _axes(node, net, x)
    if not axes:
        net.alias(node, x)
        return
    count = np.asarray(np.prod([x.shape[axis] for axis in axes]), np.float32)
    shape = net.facts.shape(node.output)
    mean = ops.Mean(axes, node.integer("keepdims", 1) == 1)
    average = net.step(f"{node.name}.mean", mean, [x], shape)
    net.emit(node, ops.Mul(), average, net.constant(f"{node.name}.count", count))


def reduce_max(node: OnnxNode, net: Builder) -> None:
    """Maximum over all space axes."""
    x = net.value(node)
    sizes = space(node, x)
    if _axes(node, net, x) != tuple(range(2, len(x.shape))):
        raise node.unsupported("reduces over other axes than space", "Use MaxPool")
    if node.integer("keepdims", 1) == 1:
        net.emit(node, _whole(sizes), x)
        return
    kept = (*x.shape[:2], *(1 for _ in sizes))
    pooled = net.step(f"{node.name}.pool", _whole(sizes), [x], kept)
    net.emit(node, ops.Reshape(x.shape[:2]), pooled)


def resize(node: OnnxNode, net: Builder) -> None:
    """Resize and Upsample whose sampling points are those of ResizeNearest or ResizeBilinear."""
    x = net.value(node)
    out = net.facts.shape(node.output)
    if x.shape == out:
        net.alias(node, x)
        return
    sizes = space(node, x)
    if out[:2] != x.shape[:2] or max(out[2:]) > _LONGEST_AXIS:
        raise node.unsupported(f"resizes {x.shape} to {out}", "Resize the space axes alone")
    if node.integer("antialias", 0):
        raise node.unsupported("is antialiased", "Export it with antialias=False")
    scales = _scales(node, net, x.shape, out)
    match node.text("mode", "nearest"):
        case "nearest":
            op: ops.ResizeNearest | ops.ResizeBilinear = _nearest(node, sizes, out[2:], scales)
        case "linear" | "bilinear" if len(sizes) == 2:
            op = _bilinear(node, sizes, out[2:], scales)
        case mode:
            raise node.unsupported(
                f"has mode {mode} over {len(sizes)} space axes", "Use nearest or bilinear resizing"
            )
    net.emit(node, op, x)


def _scales(node: OnnxNode, net: Builder, source: Shape, out: Shape) -> tuple[float, ...]:
    """Scale of each space axis: as given, or that of the sizes."""
    index = 2 if node.op_type == "Resize" and node.opset > 10 else 1
    given: tuple[float, ...] = node.numbers("scales") or ()
    if not given and node.input(index):
        given = tuple(float(s) for s in net.parameter(node, index).reshape(-1))
    full = [o / n for n, o in zip(source, out, strict=True)]
    axes = node.integers("axes") or tuple(range(len(source)))
    if given and len(given) == len(axes):
        for axis, scale in zip(axes, given, strict=True):
            full[axis % len(source)] = scale
    if min(full) <= 0:
        raise node.malformed(f"has the scales {tuple(full)}")
    return tuple(full[2:])


def _nearest(
    node: OnnxNode, sizes: Shape, out: Shape, scales: tuple[float, ...]
) -> ops.ResizeNearest:
    rounding = node.text("nearest_mode", "round_prefer_floor" if node.opset > 10 else "floor")
    for n, o, scale in zip(sizes, out, scales, strict=True):
        points = _sources(node, n, o, scale)
        # 4 / 1.3333334 means 3; the file holds the scale in single precision.
        snapped = np.where(np.abs(points - np.rint(points)) < 1e-5, np.rint(points), points)
        indices = np.clip(_round(node, rounding, snapped), 0, n - 1)
        if not np.array_equal(indices, np.arange(o) * n // o):
            raise node.unsupported(
                f"takes other neighbours than floor(i * {n} / {o})",
                "Export it with coordinate_transformation_mode asymmetric and nearest_mode floor",
            )
    return ops.ResizeNearest(out)


def _round(node: OnnxNode, mode: str, x: F64) -> F64:
    match mode:
        case "floor":
            return np.floor(x)
        case "ceil":
            return np.ceil(x)
        case "round_prefer_floor":
            return np.ceil(x - 0.5)
        case "round_prefer_ceil":
            return np.floor(x + 0.5)
        case _:
            raise node.malformed(f"attribute nearest_mode is {mode}")


def _bilinear(
    node: OnnxNode, sizes: Shape, out: Shape, scales: tuple[float, ...]
) -> ops.ResizeBilinear:
    for align_corners in (False, True):
        if all(
            _close(_sources(node, n, o, scale), _torch_sources(n, o, align_corners), n)
            for n, o, scale in zip(sizes, out, scales, strict=True)
        ):
            return ops.ResizeBilinear(out, align_corners)
    mode = node.text("coordinate_transformation_mode", "half_pixel")
    raise node.unsupported(
        f"samples {sizes} at other points ({mode}) than half-pixel centres or aligned corners",
        "Export it with coordinate_transformation_mode half_pixel or align_corners",
    )


def _aligned(n: int, out: int) -> F64:
    return np.linspace(0, n - 1, out, dtype=np.float64)


def _torch_sources(n: int, out: int, align_corners: bool) -> F64:
    i = np.arange(out)
    points = _aligned(n, out) if align_corners else (i + 0.5) * (n / out) - 0.5
    return points.astype(np.float64)


def _close(a: F64, b: F64, n: int) -> bool:
    """Whether the points give the same interpolation; outside, the edge is repeated."""
    a, b = np.clip(a, 0, n - 1), np.clip(b, 0, n - 1)
    return bool(np.allclose(a, b, rtol=0, atol=1e-5 * n))


def _sources(node: OnnxNode, n: int, out: int, scale: float) -> F64:
    """Where each output element lies in an input axis of size n."""
    i = np.arange(out, dtype=np.float64)
    default = "half_pixel" if node.opset > 10 else "asymmetric"
    mode = node.text("coordinate_transformation_mode", default)
    match mode:
        case "half_pixel":
            return (i + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (i + 0.5) / scale - 0.5 if out > 1 else np.zeros(1)
        case "half_pixel_symmetric":
            return n / 2 * (1 - out / (scale * n)) + (i + 0.5) / scale - 0.5
        case "align_corners":
            if abs(scale * n - out) > 1e-3:  # runtimes divide by scale * n - 1 or by out - 1
                raise node.unsupported(
                    f"aligns corners of {n} elements times {scale}", "Give it sizes, not scales"
                )
            return _aligned(n, out)
        case "asymmetric":
            return i / scale
        case "tf_half_pixel_for_nn":
            return (i + 0.5) / scale
        case _:
            raise node.unsupported(f"has coordinates {mode}", "Use half_pixel or align_corners")
