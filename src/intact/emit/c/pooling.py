"""Calls of pooling, means and resizing."""

from intact.emit.c.declarations import Initializer
from intact.emit.c.grid import contiguous, selection
from intact.emit.c.site import Site, volume
from intact.ir import float_ops, int_ops


def max_pool2d(op: int_ops.QMaxPool2d, site: Site) -> list[str]:
    """QMaxPool2d."""
    return _pool("intact_max_pool2d", _window(op, op.dilation), "", site)


def avg_pool2d(op: int_ops.QAvgPool2d, site: Site) -> list[str]:
    """QAvgPool2d; the overhang shows in the output's size alone."""
    padding = f", {int(op.count_include_pad)}, {op.zero_point}"
    return _pool("intact_avg_pool2d", _window(op, (1, 1)), padding, site)


def adaptive_avg_pool2d(op: int_ops.QAdaptiveAvgPool2d, site: Site) -> list[str]:
    """QAdaptiveAvgPool2d."""
    del op
    return _pool("intact_adaptive_avg_pool2d", {}, "", site)


def _window(
    op: int_ops.QMaxPool2d | int_ops.QAvgPool2d, dilation: tuple[int, int]
) -> dict[str, Initializer]:
    (top, bottom), (left, right) = op.padding
    return {
        **{"kernel_h": op.kernel[0], "kernel_w": op.kernel[1]},
        **{"stride_h": op.stride[0], "stride_w": op.stride[1]},
        **{"dilation_h": dilation[0], "dilation_w": dilation[1]},
        **{"top": top, "left": left, "bottom": bottom, "right": right},
    }


def _pool(kernel: str, window: dict[str, Initializer], more: str, site: Site) -> list[str]:
    image = _image(site)
    sizes = {**image, **window, "type": site.code_type(site.x)}
    params = site.structure("params", "intact_pool_params", sizes)
    pointers = f"{site.read(site.x)}, {site.write()}"
    return [f"{kernel}({pointers}, {params}{more}, 0, {_rows(image)});"]


def _image(site: Site) -> dict[str, int]:
    (n, h, w, c), (_, out_h, out_w, _) = site.x.shape, site.out.shape
    return {"n": n, "h": h, "w": w, "c": c, "out_h": out_h, "out_w": out_w}


def _rows(sizes: dict[str, int]) -> int:
    """Rows of output, of all images."""
    return sizes["n"] * sizes["out_h"]


def mean(op: int_ops.QMean, site: Site) -> list[str]:
    """QMean."""
    shape = site.x.shape
    kept = [axis for axis in range(len(shape)) if axis not in op.axes]
    strides = contiguous(shape)
    reduction = site.structure(
        "reduction",
        "intact_reduction",
        {
            "kept": selection(shape, strides, kept).fields(),
            "reduced": selection(shape, strides, op.axes).fields(),
        },
    )
    params = site.structure(
        "params",
        "intact_mean_params",
        {
            "input_zero_point": op.input_zero_point,
            "requant": site.requant(op.requant),
            **{"x_type": site.code_type(site.x), "out_type": site.code_type(site.out)},
        },
    )
    pointers = f"{site.read(site.x)}, {site.write()}, {reduction}, {params}"
    return [f"intact_mean({pointers}, 0, {volume(site.out.shape)});"]


def resize_nearest2d(op: int_ops.QResizeNearest2d, site: Site) -> list[str]:
    """QResizeNearest2d."""
    del op
    return _resize_nearest(_image(site), site)


def resize_nearest(op: float_ops.ResizeNearest, site: Site) -> list[str]:
    """ResizeNearest of codes, channels first: each channel is a picture of its own."""
    if len(op.size) > 2:
        raise site.refusal("it resizes more than two axes; keep it out of the exported network")
    samples, channels, *space = site.x.shape
    h, w = (1, *space)[-2:]
    out_h, out_w = (1, *site.out.shape[2:])[-2:]
    sizes = {"n": samples * channels, "h": h, "w": w, "c": 1, "out_h": out_h, "out_w": out_w}
    return _resize_nearest(sizes, site)


def _resize_nearest(sizes: dict[str, int], site: Site) -> list[str]:
    shape = site.structure("sizes", "intact_resize_shape", sizes)
    element, rows = site.x.dtype.storage.itemsize, _rows(sizes)
    pointers = f"{site.read(site.x)}, {site.write()}"
    return [f"intact_resize_nearest2d({pointers}, {shape}, {element}, 0, {rows});"]


def resize_bilinear2d(op: int_ops.QResizeBilinear2d, site: Site) -> list[str]:
    """QResizeBilinear2d."""
    image = _image(site)
    shape = site.structure("sizes", "intact_resize_shape", image)
    pointers = f"{site.read(site.x)}, {site.write()}, {shape}, {site.code_type(site.x)}"
    return [f"intact_resize_bilinear2d({pointers}, {int(op.align_corners)}, 0, {_rows(image)});"]
