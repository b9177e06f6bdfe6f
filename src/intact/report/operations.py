"""The operations of the network, one row each."""

import math
from collections.abc import Mapping, Sequence

from intact.api.layers import layers
from intact.api.network import QuantizedNetwork
from intact.diagnosis.noise import LayerNoise
from intact.exec.runner import describe
from intact.report.contents import Layer
from intact.report.tensors import grids


def operations(
    network: QuantizedNetwork, noise: Sequence[LayerNoise], seconds: Mapping[str, float]
) -> tuple[Layer, ...]:
    """In execution order.

    Args:
        network: The quantized network.
        noise: Of its layers, by the float network's names; empty if it was not measured.
        seconds: Of each operation in one call, by name.
    """
    values = {value.name: value for value in network.program.values()}
    real = {value.name: name for value, name in grids(network.program)}
    left = {layer.name: layer for layer in noise}  # each belongs to the first that computes it
    total: dict[str, float] = {}  # SQNR of each value, where it or that of its inputs is known
    rows = []
    for layer in layers(network.program):
        before = min((total[name] for name in layer.inputs if name in total), default=None)
        known = real.get(layer.name, layer.name)
        if known not in left and layer.name in left:
            known = layer.name  # the float network has both: one is the other, reshaped
        own = left.pop(known, None)
        after = before if own is None else own.sqnr_db
        if after is not None:
            total[layer.name] = after
        rows.append(
            Layer(
                name=layer.name,
                title=layer.title if layer.title != layer.name else known,
                op=layer.op,
                shape=describe(layer.shape),
                format=layer.format,
                bits=values[layer.name].dtype.bits,
                weight_format=layer.weight_format,
                weight_bits=None if layer.weight is None else values[layer.weight].dtype.bits,
                weight_bytes=layer.weight_bytes,
                macs=layer.macs,
                stays_float=network.stays_float.get(layer.name),
                sqnr_before_db=before,
                sqnr_db=None if own is None else own.sqnr_db,
                own_sqnr_db=None if own is None or math.isnan(own.own_sqnr_db) else own.own_sqnr_db,
                seconds=seconds.get(layer.name),
            )
        )
    return tuple(rows)
