"""Offsets for clusters of memory: greedy in several orders, then a seeded search among orders.

Greedy by size is Pisarchyk & Lee 2020 (Efficient Memory Management for Deep Neural Net Inference).
Which order is best depends on the network, and a placement costs little: all are tried.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from intact.ir.clusters import Cluster, Piece


@dataclass(frozen=True, slots=True)
class Placed:
    """The offset of each cluster, in their order, and the bytes up to the end of the last."""

    offsets: tuple[int, ...]
    size: int


@dataclass(frozen=True, slots=True)
class _Body:
    """A cluster as its bytes in time, with what decides when it is placed."""

    number: int
    spans: tuple[Piece, ...]
    size: int
    first: int
    last: int
    crowd: int  # the most bytes that live at one of its steps


@dataclass(frozen=True, slots=True)
class _Gap:
    """A body's offset less that of body `other` must not lie between low and high (exclusive)."""

    other: int
    low: int
    high: int


def live_bytes(clusters: Iterable[Cluster], steps: int) -> list[int]:
    """Bytes that are needed during the steps -1 .. steps, each byte counted once."""
    live = [0] * (steps + 2)
    for cluster in clusters:
        pieces = sorted(cluster.pieces, key=lambda piece: piece.offset)
        for step in range(min(p.first for p in pieces), max(p.last for p in pieces) + 1):
            live[step + 1] += _covered(p for p in pieces if p.first <= step <= p.last)
    return live


def place(
    clusters: Sequence[Cluster], live: Sequence[int], enough: int, *, alignment: int, rounds: int
) -> Placed:
    """Offsets such that bytes that are needed at the same time do not overlap.

    Args:
        clusters: What to place.
        live: Bytes that are needed during each step, from step -1; the largest is the lower bound.
        enough: Bytes at which to stop; if the lower bound is higher, nothing is searched.
        alignment: Bytes; every offset is a multiple.
        rounds: How many other orders to try after the greedy ones.
    """
    bodies = [_body(number, cluster, live) for number, cluster in enumerate(clusters)]
    gaps = _gaps(bodies)
    greedy = _greedy_orders(bodies)
    random = Random(0)
    best, order = Placed((), sum(body.size + alignment for body in bodies)), bodies
    bound = max(live)
    for attempt in range(len(greedy) + (rounds if bound <= enough else 0)):
        more = attempt >= len(greedy)
        candidate = _highest_earlier(order, best, random) if more else greedy[attempt]
        placed = _place_in_order(candidate, gaps, alignment)
        if placed.size <= best.size:
            best, order = placed, candidate
        if best.size <= max(bound, enough):
            break
    return best


def _highest_earlier(order: list[_Body], placed: Placed, random: Random) -> list[_Body]:
    """The order with a body that reaches the end moved forward, and one moved anywhere."""
    moved = list(order)
    ends = [placed.offsets[body.number] + body.size for body in order]
    highest = ends.index(placed.size)
    moved.insert(random.randrange(highest + 1), moved.pop(highest))
    if random.random() < 0.5:
        moved.insert(random.randrange(len(moved)), moved.pop(random.randrange(len(moved))))
    return moved


def _covered(pieces: Iterable[Piece]) -> int:
    """Bytes in the union of pieces that are sorted by offset."""
    covered, reached = 0, 0
    for piece in pieces:
        covered += max(piece.end - max(piece.offset, reached), 0)
        reached = max(reached, piece.end)
    return covered


def _body(number: int, cluster: Cluster, live: Sequence[int]) -> _Body:
    spans: list[Piece] = []
    for piece in sorted(cluster.pieces, key=lambda p: (p.offset, p.size, p.first)):
        before = spans[-1] if spans else piece
        same = (before.offset, before.size) == (piece.offset, piece.size)
        if spans and same and piece.first <= before.last + 1:  # one life follows the other
            spans[-1] = replace(before, last=max(before.last, piece.last))
        else:
            spans.append(piece)
    first, last = min(p.first for p in spans), max(p.last for p in spans)
    crowd = max(live[first + 1 : last + 2])
    return _Body(number, tuple(spans), max(p.end for p in spans), first, last, crowd)


def _greedy_orders(bodies: list[_Body]) -> list[list[_Body]]:
    """Largest first; most bytes times steps; first used; what lives at the fullest steps."""
    return [
        sorted(bodies, key=lambda body: -body.size),
        sorted(bodies, key=lambda body: -body.size * (body.last - body.first + 1)),
        sorted(bodies, key=lambda body: (body.first, -body.size)),
        sorted(bodies, key=lambda body: (-body.crowd, -body.size)),
    ]


def _gaps(bodies: list[_Body]) -> list[list[_Gap]]:
    """Where each body must not lie, for each other one that lives at the same time."""
    gaps: list[list[_Gap]] = [[] for _ in bodies]
    for number, body in enumerate(bodies):
        for other in bodies[:number]:
            if body.last < other.first or other.last < body.first:
                continue
            for p in body.spans:
                for q in other.spans:
                    if p.first <= q.last and q.first <= p.last:
                        gaps[number].append(_Gap(other.number, q.offset - p.end, q.end - p.offset))
                        gaps[other.number].append(_Gap(number, p.offset - q.end, p.end - q.offset))
    return gaps


def _place_in_order(
    order: Sequence[_Body], gaps: Sequence[Sequence[_Gap]], alignment: int
) -> Placed:
    """Each at the lowest offset that is free for its whole life."""
    offsets: dict[int, int] = {}
    size = 0
    for body in order:
        taken = sorted(
            (offsets[gap.other] + gap.low, offsets[gap.other] + gap.high)
            for gap in gaps[body.number]
            if gap.other in offsets
        )
        offset = 0
        for low, high in taken:
            if low >= offset:
                break
            if high > offset:
                offset = -(-high // alignment) * alignment
        offsets[body.number] = offset
        size = max(size, offset + body.size)
    return Placed(tuple(offsets[number] for number in range(len(order))), size)
