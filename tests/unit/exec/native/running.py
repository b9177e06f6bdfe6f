"""Runs one native operation, so that each kernel can be compared with the reference."""

from collections.abc import Sequence

import numpy as np

from intact.exec.native.building import Constants
from intact.exec.native.library import native
from intact.ir.graph import Node


def run_op(
    op: native.Op, inputs: Sequence[np.ndarray], like: np.ndarray, threads: int = 1
) -> np.ndarray:
    """The operation's output, of the shape and dtype of `like`."""
    network = native.Network()
    numbers = [network.add_value(_dtype(array)) for array in inputs]
    out = network.add_value(_dtype(like))
    network.add_step("y", op, numbers, out)
    places = [(array.shape, native.Place.input, k) for k, array in enumerate(inputs)]
    plan = native.plan(network, [*places, (like.shape, native.Place.output, 0)], 0, threads)
    result = np.full_like(like, 77)
    engine = native.Engine(network, threads)
    engine.run(plan, 1, [np.ascontiguousarray(array) for array in inputs], [result])
    return result


def constants_of(node: Node, arrays: Sequence[np.ndarray]) -> Constants:
    """The node's inputs behind the first, as constants."""
    named = zip(node.inputs[1:], arrays, strict=True)
    return Constants({value.name: array for value, array in named}, {}, native.best_isa())


def no_constants() -> Constants:
    """Nothing is constant."""
    return Constants({}, {}, native.best_isa())


def _dtype(array: np.ndarray) -> native.DType:
    return getattr(native.DType, array.dtype.name)
