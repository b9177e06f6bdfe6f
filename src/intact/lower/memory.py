"""Places the values of a Program in one arena (greedy by size, Pisarchyk & Lee 2020)."""

from collections.abc import Mapping
from dataclasses import dataclass

from intact.ir.graph import Value, elements
from intact.ir.int_ops import Program

ALIGNMENT = 16  # bytes; a vector register


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Byte offset of each value in an arena of `size` bytes, at one batch size."""

    offsets: Mapping[str, int]
    size: int


@dataclass(frozen=True, slots=True)
class _Live:
    value: Value
    size: int
    first: int  # step that writes it
    last: int  # last step that reads it


def plan(program: Program, batch: int = 1) -> MemoryPlan:
    """Offsets such that values that live at the same time do not overlap.

    Inputs, outputs and everything between have a place; constants do not. Largest first, each at
    the lowest offset that is free for its whole life.
    """
    placed: list[tuple[int, _Live]] = []
    order = sorted(_lifetimes(program, batch), key=lambda v: (-v.size, v.first, v.value.name))
    for live in order:
        offset = 0
        for start, other in sorted(placed, key=lambda pair: pair[0]):
            apart = other.last < live.first or live.last < other.first
            if apart or start + other.size <= offset:
                continue
            if offset + live.size <= start:
                break
            offset = start + other.size
        placed.append((offset, live))
    size = max((offset + live.size for offset, live in placed), default=0)
    return MemoryPlan({live.value.name: offset for offset, live in placed}, size)


def _lifetimes(program: Program, batch: int) -> list[_Live]:
    first = {value.name: -1 for value in program.inputs}
    last = dict(first)
    values = {value.name: value for value in program.inputs}
    for step, node in enumerate(program.nodes):
        for value in node.inputs:
            if value.name in first:
                last[value.name] = step
        values[node.output.name] = node.output
        first[node.output.name] = last[node.output.name] = step
    for value in program.outputs:
        last[value.name] = len(program.nodes)
    return [
        _Live(value, _aligned_bytes(value, batch), first[name], last[name])
        for name, value in values.items()
    ]


def _aligned_bytes(value: Value, batch: int) -> int:
    size = elements(value.shape, batch) * value.dtype.storage.itemsize
    return -(-size // ALIGNMENT) * ALIGNMENT
