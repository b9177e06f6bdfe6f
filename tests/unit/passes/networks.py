"""Small graphs written by hand, and what they compute in float."""

from collections.abc import Sequence

import numpy as np

from intact.exec.float_ops import apply
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32


def real(name: str, *shape: int) -> Value:
    return Value(name, shape, FP32)


def constant(name: str, array: Array) -> Value:
    return Value(name, array.shape, FP32)


def node(op: FloatOp, output: Value, *inputs: Value) -> Node[FloatOp]:
    return Node(op, inputs, output)


def graph(
    x: Value, nodes: Sequence[Node[FloatOp]], constants: dict[str, Array], *outputs: Value
) -> Graph[FloatOp]:
    arrays = {name: np.asarray(array, np.float32) for name, array in constants.items()}
    return Graph((x,), outputs or (nodes[-1].output,), tuple(nodes), arrays)


def run(network: Graph[FloatOp], x: Array) -> list[Array]:
    values = {network.inputs[0].name: x, **network.constants}
    for step in network.nodes:
        inputs = [values[value.name] for value in step.inputs]
        values[step.name] = apply(step.op, inputs, x.shape[0])
    return [values[value.name] for value in network.outputs]


def op_names(network: Graph[FloatOp]) -> list[str]:
    return [type(step.op).__name__ for step in network.nodes]
