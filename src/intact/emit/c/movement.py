"""Calls of operations that move elements."""

from collections.abc import Sequence

import numpy as np

from intact.emit.c.grid import Grid, contiguous
from intact.emit.c.site import Site, volume
from intact.ir import float_ops as ops
from intact.ir.graph import Shape


def copy(op: ops.Reshape | ops.Dropout, site: Site) -> list[str]:
    """Reshape and Dropout of what cannot share its storage."""
    del op
    return [f"memcpy({site.write()}, {site.read(site.x)}, {_bytes(site)});"]


def permute(op: ops.Permute, site: Site) -> list[str]:
    """Permute."""
    strides = _strides(site)
    return _view(site, site.out.shape, [strides[axis] for axis in op.axes], 0)


def slice_(op: ops.Slice, site: Site) -> list[str]:
    """Slice."""
    strides = list(_strides(site))
    offset = op.start * strides[op.axis]
    strides[op.axis] *= op.step
    return _view(site, site.out.shape, strides, offset)


def expand(op: ops.Expand, site: Site) -> list[str]:
    """Expand."""
    del op
    sizes = zip(site.x.shape, site.out.shape, _strides(site), strict=True)
    return _view(site, site.out.shape, [s if n == m else 0 for n, m, s in sizes], 0)


def _strides(site: Site) -> tuple[int, ...]:
    """Of the input, in bytes."""
    return contiguous(site.x.shape, site.x.dtype.storage.itemsize)


def _view(site: Site, shape: Shape, strides: Sequence[int], offset: int) -> list[str]:
    grid = Grid(shape, (tuple(strides), (0,) * len(shape))).merged()
    view = site.structure(
        "view",
        "intact_view",
        {"grid": grid.fields(), "offset": offset, "element": site.x.dtype.storage.itemsize},
    )
    return [f"intact_view_copy({site.read(site.x)}, {site.write()}, {view}, 0, {volume(shape)});"]


def pad(op: ops.Pad, site: Site) -> list[str]:
    """Pad; the kernel's rows are those up to the last axis with padding."""
    shape, out_shape = site.x.shape, site.out.shape
    # As long as the longest element, since compilers see that kernels may read as much.
    count = 8 // site.x.dtype.storage.itemsize
    value = site.array("pad_value", np.full(count, op.value).astype(site.x.dtype.storage))
    params = site.structure(
        "params",
        "intact_pad_params",
        {
            "rank": len(shape),
            "shape": shape or (0,),
            "out_shape": out_shape or (0,),
            "before": [before for before, _ in op.pads] or (0,),
            "mode": f"INTACT_PAD_{op.mode.name}",
            "element": site.x.dtype.storage.itemsize,
        },
    )
    padded = [axis for axis in range(len(shape)) if shape[axis] != out_shape[axis]]
    rows = volume(out_shape[: max(padded, default=0)])
    pointers = f"{site.read(site.x)}, {site.write()}, {params}, {value}"
    return [f"intact_pad({pointers}, 0, {rows});"]


def concat(op: ops.Concat, site: Site) -> list[str]:
    """Concat."""
    inputs = site.node.inputs
    rows = volume(site.out.shape[: op.axis])
    pointers = ", ".join(site.read(value) for value in inputs)
    sizes = [_row_bytes(value.shape[op.axis :], value.dtype.storage.itemsize) for value in inputs]
    return [
        f"static const void* const inputs[] = {{{pointers}}};",
        f"static const size_t row_bytes[] = {{{', '.join(map(str, sizes))}}};",
        f"intact_concat(inputs, row_bytes, {len(inputs)}, {site.write()}, 0, {rows});",
    ]


def _row_bytes(shape: Shape, element: int) -> int:
    return volume(shape) * element


def _bytes(site: Site) -> int:
    return _row_bytes(site.x.shape, site.x.dtype.storage.itemsize)
