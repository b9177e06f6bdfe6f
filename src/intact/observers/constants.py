"""Parameters of constants that stand where activations may: an addend, a class token."""

from collections.abc import Mapping

import numpy as np

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.scans import every_node
from intact.numerics.formats import Float, Int
from intact.numerics.qtensor import QuantParams
from intact.observers.params import choose_params
from intact.passes.placement import Shared, activation_inputs, placement, scalar_factor


def constant_params(
    graph: Graph[FloatOp], formats: Mapping[str, tuple[Int, bool]]
) -> dict[str, QuantParams]:
    """Parameters that cover each such constant, by its name, in its first reader's format.

    A constant that is not finite (a mask of minus infinity) stays float.

    Args:
        graph: An inference graph.
        formats: By a node's name the format of its activation, and whether it is symmetric; nodes
            that are absent stay float.
    """
    places = placement(graph)
    found: dict[str, QuantParams] = {}
    for node in every_node(graph):
        if node.name not in formats or scalar_factor(node, graph.constants) is not None:
            continue  # a scalar factor multiplies the scale
        for value in activation_inputs(node):
            array = graph.constants.get(value.name)
            if array is None or not array.size or not isinstance(value.dtype, Float):
                continue
            if isinstance(places.get(value.name), Shared):
                continue  # the beginning of a state, which has parameters
            low, high = float(np.min(array)), float(np.max(array))
            if np.isfinite([low, high]).all():
                found.setdefault(value.name, choose_params(low, high, *formats[node.name]))
    return found
