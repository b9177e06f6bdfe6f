"""Loops: the body as a network of its own, whose weights are packed once."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from intact.exec.native.building import Built, Constants, dtype
from intact.exec.native.library import native
from intact.exec.reference import fold
from intact.ir.graph import Node, Shape, Value
from intact.ir.int_ops import IntOp
from intact.ir.scans import Loop, body_of

Build: TypeAlias = Callable[[Node[IntOp], Constants], Built]


def loop(op: Loop, node: Node[IntOp], constants: Constants, build: Build) -> Built:
    """Scan and QScan; `build` makes the native form of a node of the body."""
    body = body_of(op, node.inputs, constants.arrays)
    arrays, nodes = fold(body, {value.name for value in body.outputs})
    inner = Constants(arrays, {}, constants.isa)
    network = native.Network()
    numbers: dict[str, int] = {}
    shapes: list[Shape] = []

    def add(value: Value) -> None:
        numbers[value.name] = network.add_value(dtype(value.dtype))
        shapes.append(value.shape)

    for value in body.inputs:
        add(value)
    for each in nodes:
        made = build(each, inner)
        for value in made.inputs:
            if value.name not in numbers:
                numbers[value.name] = network.add_constant(np.ascontiguousarray(arrays[value.name]))
                shapes.append(value.shape)
        add(each.output)
        inputs = [numbers[value.name] for value in made.inputs]
        network.add_step(each.name, made.op, inputs, numbers[each.name])
    given = [numbers[value.name] for value in body.inputs]
    after = [numbers[value.name] for value in body.outputs]
    pairs = zip(op.body.inputs, node.inputs, strict=True)
    read = tuple(outer for value, outer in pairs if value.name in numbers and value in body.inputs)
    made_op = native.loop(network, shapes, given, after, op.axis, op.state, op.reverse)
    return Built(made_op, read)
