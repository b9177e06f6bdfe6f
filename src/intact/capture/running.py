"""Runs the nodes of a graph in torch, and the bodies of its loops step by step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from intact.capture.torch_ops import compute
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.ir.scans import states, time_steps

OnValue: TypeAlias = Callable[[str, Tensor], Tensor | None]
OnNode: TypeAlias = Callable[[Node[FloatOp], Mapping[str, Tensor]], Tensor | None]


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a run asks of the network around it."""

    constant: Callable[[str], Tensor]
    value: Callable[[str, Tensor], Tensor]  # what is used of a computed value
    node: OnNode | None  # computes some nodes itself
    training: bool


class Run:
    """One run of a network."""

    def __init__(self, hooks: Hooks, batch: int) -> None:
        self._hooks, self._batch = hooks, batch
        self._sequences: dict[tuple[str, ...], list[Tensor]] = {}  # of the states, by the body

    def nodes(
        self, graph: Graph[FloatOp], last_reads: Sequence[Sequence[str]], env: dict[str, Tensor]
    ) -> tuple[Tensor, ...]:
        """The outputs of a graph; a value of `env` is dropped after its last reader."""
        for node, dead in zip(graph.nodes, last_reads, strict=True):
            result = None if self._hooks.node is None else self._hooks.node(node, env)
            if result is None:
                result = self.result(node, env)
            env[node.name] = self._hooks.value(node.name, result)
            del result
            for name in dead:
                del env[name]
        return tuple(env[value.name] for value in graph.outputs)

    def result(self, node: Node[FloatOp], env: Mapping[str, Tensor]) -> Tensor:
        """What a node computes from the values so far."""
        if isinstance(node.op, ops.Scan):
            return self._sequences_of(node.op, node, env)[node.op.state]
        read = [self._read(value.name, env) for value in node.inputs]
        return compute(node.op, read, batch=self._batch, training=self._hooks.training)

    def _sequences_of(
        self, op: ops.Scan, node: Node[FloatOp], env: Mapping[str, Tensor]
    ) -> list[Tensor]:
        """Of all states; a body that two nodes run is run once."""
        after = tuple(value.name for value in op.body.outputs)
        if after not in self._sequences:
            self._sequences[after] = self._scan(op, node, env)
        return self._sequences[after]

    def _scan(self, op: ops.Scan, node: Node[FloatOp], env: Mapping[str, Tensor]) -> list[Tensor]:
        x, *rest = (self._read(value.name, env) for value in node.inputs)
        names = [value.name for value in op.body.inputs]
        count = states(op)
        after = [value.name for value in op.body.outputs]
        carried = [self._hooks.value(name, h) for name, h in zip(after, rest, strict=False)]
        last_reads = last_reads_of(op.body)
        steps: dict[int, Sequence[Tensor]] = {}
        for number in time_steps(op, tuple(x.shape)):
            given = (x.select(op.axis, number), *carried, *rest[count:])
            carried = list(self.nodes(op.body, last_reads, dict(zip(names, given, strict=True))))
            steps[number] = carried
        in_order = (steps[number] for number in sorted(steps))
        return [torch.stack(sequence, op.axis) for sequence in zip(*in_order, strict=True)]

    def _read(self, name: str, env: Mapping[str, Tensor]) -> Tensor:
        return env[name] if name in env else self._hooks.constant(name)


def last_reads_of(graph: Graph[FloatOp]) -> list[list[str]]:
    """For each node, the values that nothing reads after it."""
    kept = {value.name for value in graph.outputs} | graph.constants.keys()
    dead: list[list[str]] = []
    for node in reversed(graph.nodes):
        names = dict.fromkeys(value.name for value in (*node.inputs, node.output))
        dead.append([name for name in names if name not in kept])
        kept.update(names)
    return dead[::-1]
