"""When each byte of a Program's values is needed, and what lies in one place with what.

A *piece* is the bytes of one value for the steps between its first byte's writing and its last
reading; step -1 is before the first node, len(nodes) after the last. Pieces that share memory form
a *cluster*, rigid in itself: a planner places it as a whole.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from intact.ir.graph import elements
from intact.ir.int_ops import Program
from intact.ir.sharing import Sharing, itemsize


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes offset .. offset + size of its cluster, from step `first` to step `last`."""

    name: str
    offset: int
    size: int
    first: int
    last: int
    itemsize: int  # bytes of an element; the offset is a multiple
    written: bool  # by step `first` itself; the bytes of a view or join, by others

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.size

    def meets(self, other: "Piece") -> bool:
        """Whether both have a byte in common, at any time."""
        return self.offset < other.end and other.offset < self.end


@dataclass(frozen=True, slots=True)
class Cluster:
    """Pieces that are placed together; the lowest offset is 0."""

    pieces: tuple[Piece, ...]
    stored: Piece | None = None  # the one that the caller stores; all others lie within

    def __getitem__(self, name: str) -> Piece:
        return next(piece for piece in self.pieces if piece.name == name)


@dataclass(frozen=True, slots=True)
class Clusters:
    """All values of a Program but its constants."""

    clusters: tuple[Cluster, ...]
    scratch: Mapping[str, Cluster]  # that of a node, by its name
    moved: frozenset[str]  # nodes whose output is in place before they run: there is nothing to do


def clusters(
    program: Program,
    batch: int,
    share: Sharing,
    elsewhere: Collection[str],
    scratch: Mapping[str, int],
) -> Clusters:
    """Shares memory wherever `share` and the lifetimes allow it.

    Args:
        program: What is to run.
        batch: Its batch size.
        share: What may be shared.
        elsewhere: Values that the caller stores; inputs among them are not written.
        scratch: Bytes that a node needs while it runs, by the node's name.
    """
    while True:
        found, refused = _with_views(program, batch, share, elsewhere)
        if not refused:
            break
        # Where a view has to be a copy, it reads its source: lifetimes change.
        views = {name: part for name, part in share.views.items() if name not in refused}
        share = replace(share, views=views)
    moved = set(share.views)
    for node in program.nodes:
        if node.name in share.joins and _join(found, node.name, share):
            moved.add(node.name)
        for operand in share.overwrites.get(node.name, ()):
            if _overwrite(found, node.name, operand, share):
                break
    own = {
        node.name: Cluster((Piece(node.name, 0, scratch[node.name], step, step, 1, True),))
        for step, node in enumerate(program.nodes)
        if scratch.get(node.name, 0) > 0
    }
    return Clusters(tuple(dict.fromkeys(found.values())), own, frozenset(moved))


def _with_views(
    program: Program, batch: int, share: Sharing, elsewhere: Collection[str]
) -> tuple[dict[str, Cluster], set[str]]:
    """The cluster of each value, with its views; and the views that need memory of their own."""
    found: dict[str, Cluster] = {}
    refused = set()
    for piece in _pieces(program, batch, share):
        stored = piece if piece.name in elsewhere else None
        own = Cluster((piece,), stored)
        found[piece.name] = own
        view = share.views.get(piece.name)
        if view is not None:
            source = found[view.name]
            merged = _united(source, own, source[view.name].offset + view.offset)
            if merged is None:
                refused.add(piece.name)
            else:
                _enter(found, merged)
    return found, refused


def _pieces(program: Program, batch: int, share: Sharing) -> list[Piece]:
    """Each value by itself, in the order in which they are written."""
    values = {value.name: value for value in program.inputs}
    first = {value.name: -1 for value in program.inputs}
    last = dict(first)
    for step, node in enumerate(program.nodes):
        view = share.views.get(node.name)
        for value in node.inputs if view is None else ():
            if value.name in first:
                last[value.name] = step
        values[node.name] = node.output
        first[node.name] = step if view is None else first[view.name]
        last[node.name] = first[node.name]
    last.update((value.name, len(program.nodes)) for value in program.outputs)
    return [
        Piece(
            name,
            0,
            elements(value.shape, batch) * itemsize(value),
            first[name],
            last[name],
            itemsize(value),
            name not in share.views,
        )
        for name, value in values.items()
    ]


def _enter(found: dict[str, Cluster], cluster: Cluster) -> None:
    found.update((piece.name, cluster) for piece in cluster.pieces)


def _join(found: dict[str, Cluster], name: str, share: Sharing) -> bool:
    """Puts all inputs of a join into its output; or none, and says so."""
    whole = found[name]
    pieces = tuple(replace(p, written=p.written and p.name != name) for p in whole.pieces)
    merged: Cluster | None = replace(whole, pieces=pieces)
    for part in share.joins[name]:
        own = found[part.name]
        if merged is None or any(piece.name == part.name for piece in merged.pieces):
            return False
        shift = merged[name].offset + part.offset - own[part.name].offset
        merged = _merge(merged, own, shift, share)
    if merged is None:
        return False
    _enter(found, merged)
    return True


def _overwrite(found: dict[str, Cluster], name: str, operand: str, share: Sharing) -> bool:
    own, other = found[name], found[operand]
    if own is other:
        return False
    merged = _merge(other, own, other[operand].offset - own[name].offset, share)
    if merged is None:
        return False
    _enter(found, merged)
    return True


def _merge(a: Cluster, b: Cluster, shift: int, share: Sharing) -> Cluster | None:
    """One cluster of both, b's offsets moved by `shift`; None if that is not allowed."""
    for p in a.pieces:
        for own in b.pieces:
            q = replace(own, offset=own.offset + shift)
            if p.meets(q) and (_destroys(p, q, share) or _destroys(q, p, share)):
                return None
    return _united(a, b, shift)


def _united(a: Cluster, b: Cluster, shift: int) -> Cluster | None:
    """The same, if no write of one spoils the other: it remains that it must fit."""
    moved = [replace(piece, offset=piece.offset + shift) for piece in b.pieces]
    lowest = min(piece.offset for piece in (*a.pieces, *moved))
    pieces = tuple(replace(p, offset=p.offset - lowest) for p in (*a.pieces, *moved))
    if any(piece.offset % piece.itemsize for piece in pieces):
        return None
    if a.stored is None and b.stored is None:
        return Cluster(pieces)
    return _within_stored(a, b, pieces)


def _destroys(write: Piece, piece: Piece, share: Sharing) -> bool:
    """Whether the step that writes `write` spoils bytes of `piece` that are still needed."""
    if not write.written or piece.first > write.first or piece.last < write.first:
        return False
    in_place = (
        piece.last == write.first
        and piece.offset == write.offset
        and piece.name in share.overwrites.get(write.name, ())
    )
    return not in_place


def _within_stored(a: Cluster, b: Cluster, pieces: tuple[Piece, ...]) -> Cluster | None:
    """The cluster in the caller's memory, if it fits there and writes to no input."""
    stored = a.stored or b.stored
    assert stored is not None
    inside = next(piece for piece in pieces if piece.name == stored.name)
    fits = all(
        p.offset >= inside.offset and p.end <= inside.end and p.itemsize <= inside.itemsize
        for p in pieces
    )
    others = [piece for piece in pieces if piece.name != stored.name]
    is_input = stored.first < 0
    kept = all(not p.written if is_input else p.first >= 0 for p in others)
    return Cluster(pieces, inside) if fits and kept and not (a.stored and b.stored) else None
