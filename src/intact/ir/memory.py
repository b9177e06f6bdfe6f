"""Places the values of a Program in one arena (greedy by size, Pisarchyk & Lee 2020)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from intact.ir.graph import Value, elements
from intact.ir.int_ops import Program

ALIGNMENT = 16  # bytes; a vector register
NO_ALIASES: Mapping[str, str] = {}


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


def plan(
    program: Program,
    batch: int = 1,
    *,
    aliases: Mapping[str, str] = NO_ALIASES,
    elsewhere: Collection[str] = (),
    alignment: int = ALIGNMENT,
) -> MemoryPlan:
    """Offsets such that values that live at the same time do not overlap.

    Inputs, outputs and everything between have a place; constants do not. Largest first, each at
    the lowest offset that is free for its whole life.

    Args:
        program: What is to run.
        batch: Its batch size.
        aliases: Values that share the storage of another one, by name; they have no place of their
            own.
        elsewhere: Values that the caller stores.
        alignment: Bytes; every offset is a multiple.
    """
    placed: list[tuple[int, _Live]] = []
    lifetimes = _lifetimes(program, batch, aliases, alignment)
    inside = [live for live in lifetimes if live.value.name not in elsewhere]
    for live in sorted(inside, key=lambda v: (-v.size, v.first, v.value.name)):
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


def _lifetimes(
    program: Program, batch: int, aliases: Mapping[str, str], alignment: int
) -> list[_Live]:
    def owner(name: str) -> str:
        while name in aliases:
            name = aliases[name]
        return name

    first = {value.name: -1 for value in program.inputs}
    last = dict(first)
    values = {value.name: value for value in program.inputs}
    for step, node in enumerate(program.nodes):
        for value in node.inputs:
            if owner(value.name) in first:
                last[owner(value.name)] = step
        if node.name not in aliases:
            values[node.name] = node.output
            first[node.name] = last[node.name] = step
    for value in program.outputs:
        last[owner(value.name)] = len(program.nodes)
    return [
        _Live(value, _aligned_bytes(value, batch, alignment), first[name], last[name])
        for name, value in values.items()
    ]


def _aligned_bytes(value: Value, batch: int, alignment: int) -> int:
    size = elements(value.shape, batch) * value.dtype.storage.itemsize
    return -(-size // alignment) * alignment
