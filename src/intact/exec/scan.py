"""Recurrence: a body that runs once a time step (arithmetic.md, eq. 64)."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from intact.exec.runner import Runner
from intact.ir.graph import Node, with_batch
from intact.ir.int_ops import IntOp, Program
from intact.ir.scans import Loop, body_of, states, time_steps
from intact.numerics.arrays import Array


def scan(
    op: Loop, node: Node[IntOp], constants: Mapping[str, Array], load: Callable[[Program], Runner]
) -> Callable[[Sequence[Array], int], Array]:
    """The node as a function of its inputs' arrays and the batch size; `load` runs a Program."""
    body = body_of(op, node.inputs, constants)
    run = load(body)
    given = {value.name for value in body.inputs}
    names = [value.name for value in op.body.inputs]
    before, after = names[1 : 1 + states(op)], [value.name for value in op.body.outputs]

    def sequence(inputs: Sequence[Array], batch: int) -> Array:
        env = {n: x for n, x in zip(names, inputs, strict=True) if n in given}
        out = np.empty(with_batch(node.output.shape, batch), node.output.dtype.storage)
        source, target = np.moveaxis(inputs[0], op.axis, 0), np.moveaxis(out, op.axis, 0)
        for step in time_steps(op, node.inputs[0].shape):
            env[names[0]] = np.ascontiguousarray(source[step])
            results = run(env)
            env.update({old: results[new] for old, new in zip(before, after, strict=True)})
            target[step] = results[after[op.state]]
        return out

    return sequence
