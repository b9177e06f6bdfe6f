"""Calls of softmax and of normalizations."""

import numpy as np

from intact.emit.c.site import Site, code_range, volume
from intact.ir import int_ops
from intact.numerics.tables import softmax_exponentials


def softmax(op: int_ops.QSoftmax, site: Site) -> list[str]:
    """QSoftmax, with the exponentials of all differences as a table."""
    low, high = code_range(site.out)
    exponentials = softmax_exponentials(op.multiplier, op.shift, op.diff_min, 255)
    params = site.structure(
        "params",
        "intact_softmax_params",
        {
            "table": site.int32("exponentials", exponentials),
            "length": site.x.shape[-1],
            **{"bits": site.out.dtype.bits, "qmin": low, "qmax": high},
            **{"x_type": site.code_type(site.x), "out_type": site.code_type(site.out)},
        },
    )
    return _rows("intact_softmax", params, site)


def softmax16(op: int_ops.QSoftmax16, site: Site) -> list[str]:
    """QSoftmax16."""
    params = site.structure(
        "params",
        "intact_softmax16_params",
        {
            **{"multiplier": op.multiplier, "shift": op.shift},
            "exp_table": site.int32("exp_table", op.exp_table),
            "reciprocal_table": site.int32("reciprocal_table", op.reciprocal_table),
            **{"length": site.x.shape[-1], "bits": site.out.dtype.bits},
            **{"x_type": site.code_type(site.x), "out_type": site.code_type(site.out)},
        },
    )
    return _rows("intact_softmax16", params, site)


def _rows(kernel: str, params: str, site: Site) -> list[str]:
    rows = volume(site.x.shape[:-1])
    return [f"{kernel}({site.read(site.x)}, {site.write()}, {params}, 0, {rows});"]


def layer_norm(op: int_ops.QLayerNorm, site: Site) -> list[str]:
    """QLayerNorm."""
    shape = site.x.shape
    count, rows = volume(shape[len(shape) - op.axes :]), volume(shape[: len(shape) - op.axes])
    pointers = f"{site.read(site.x)}, {site.write()}, {_normalization(op.normalization, site)}"
    return [f"intact_layer_norm({pointers}, {count}, 0, {rows});"]


def group_norm(op: int_ops.QGroupNorm, site: Site) -> list[str]:
    """QGroupNorm."""
    samples, *space, channels = site.x.shape
    shape = site.structure(
        "groups",
        "intact_group_norm_shape",
        {"pixels": volume(tuple(space)), "channels": channels, "groups": op.groups},
    )
    pointers = f"{site.read(site.x)}, {site.write()}, {_normalization(op.normalization, site)}"
    return [f"intact_group_norm({pointers}, {shape}, 0, {samples * op.groups});"]


def _normalization(numbers: int_ops.Normalization, site: Site) -> str:
    return site.structure(
        "normalization",
        "intact_normalization",
        {
            "epsilon": numbers.epsilon,
            "gain_sign": site.array("gain_sign", numbers.gain_sign.astype(np.int8)),
            "gain": site.requant(numbers.gain, "gain"),
            "beta": site.int32("beta", numbers.beta),
            "zero_point": numbers.zero_point,
            **{"qmin": numbers.qmin, "qmax": numbers.qmax},
            **{"x_type": site.code_type(site.x), "out_type": site.code_type(site.out)},
        },
    )
