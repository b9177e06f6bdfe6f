"""Calls of operations on single elements."""

import numpy as np

from intact.emit.c.declarations import Initializer
from intact.emit.c.grid import broadcast
from intact.emit.c.site import Site, code_range, volume
from intact.ir import int_ops


def requantize(op: int_ops.Requantize, site: Site) -> list[str]:
    """Requantize."""
    requant = site.structure("requant", "intact_requant", site.requant(op.requant))
    x = f"{site.read(site.x)}, {site.code_type(site.x)}"
    out = f"{site.write()}, {site.code_type(site.out)}"
    count = volume(site.out.shape)
    return [f"intact_requantize_codes({requant}, {op.input_zero_point}, {x}, {out}, 0, {count});"]


def sum_(op: int_ops.QAdd | int_ops.QSub, site: Site) -> list[str]:
    """QAdd, QSub."""
    params = site.structure(
        "params",
        "intact_sum_params",
        {
            **{"a": _operand(op.a), "b": _operand(op.b)},
            **{"left_shift": op.left_shift, "subtract": int(isinstance(op, int_ops.QSub))},
            "requant": site.requant(op.requant),
            **_types(site),
        },
    )
    return _pairwise("intact_sum", params, site)


def mul(op: int_ops.QMul, site: Site) -> list[str]:
    """QMul."""
    params = site.structure(
        "params",
        "intact_mul_params",
        {
            **{"a_zero_point": op.a_zero_point, "b_zero_point": op.b_zero_point},
            "requant": site.requant(op.requant),
            **_types(site),
        },
    )
    return _pairwise("intact_mul", params, site)


def _operand(operand: int_ops.Operand) -> dict[str, int]:
    return {
        "zero_point": operand.zero_point,
        "multiplier": operand.multiplier,
        "shift": operand.shift,
    }


def _types(site: Site) -> dict[str, Initializer]:
    a, b = site.node.inputs
    return {
        "a_type": site.code_type(a),
        "b_type": site.code_type(b),
        "out_type": site.code_type(site.out),
    }


def _pairwise(kernel: str, params: str, site: Site) -> list[str]:
    a, b = site.node.inputs
    grid = site.structure("grid", "intact_grid", broadcast(a.shape, b.shape).fields())
    pointers = f"{site.read(a)}, {site.read(b)}, {site.write()}"
    return [f"{kernel}({pointers}, {grid}, {params}, 0, {volume(site.out.shape)});"]


def prelu(op: int_ops.QPrelu, site: Site) -> list[str]:
    """QPrelu."""
    x, slope = site.node.inputs
    params = site.structure(
        "params",
        "intact_prelu_params",
        {
            "input_zero_point": op.input_zero_point,
            "slope_zero_point": op.slope_zero_point,
            "slopes": volume(slope.shape),
            "positive": site.requant(op.positive, "positive"),
            "negative": site.requant(op.negative, "negative"),
            **{"x_type": site.code_type(x), "slope_type": site.code_type(slope)},
            "out_type": site.code_type(site.out),
        },
    )
    pointers = f"{site.read(x)}, {site.read(slope)}, {site.write()}"
    return [f"intact_prelu({pointers}, {params}, 0, {volume(x.shape)});"]


def lookup(op: int_ops.Lookup, site: Site) -> list[str]:
    """Lookup: entries by the code's byte, so that signed and unsigned codes index alike."""
    entries = np.zeros(256, site.out.dtype.storage)
    _, high = code_range(site.x)
    low = high + 1 - (1 << site.x.dtype.bits)
    entries[np.arange(low, low + op.table.size) % 256] = op.table
    table = site.array("table", entries)
    count = f"{entries.itemsize}, 0, {volume(site.x.shape)}"
    return [f"intact_lookup({site.read(site.x)}, {table}, {site.write()}, {count});"]


def interpolated_lookup(op: int_ops.InterpolatedLookup, site: Site) -> list[str]:
    """InterpolatedLookup."""
    (low, high), (out_low, out_high) = code_range(site.x), code_range(site.out)
    params = site.structure(
        "params",
        "intact_interpolated_lookup_params",
        {
            **{"table": site.int32("table", op.table), "bits": site.x.dtype.bits},
            **{"input_qmin": low, "input_qmax": high, "qmin": out_low, "qmax": out_high},
            **{"x_type": site.code_type(site.x), "out_type": site.code_type(site.out)},
        },
    )
    pointers = f"{site.read(site.x)}, {site.write()}"
    return [f"intact_interpolated_lookup({pointers}, {params}, 0, {volume(site.x.shape)});"]
