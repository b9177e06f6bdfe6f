"""Places the values of a Program in one arena, and says how few bytes could be enough."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from intact.ir.clusters import Cluster, Clusters, clusters
from intact.ir.int_ops import Program
from intact.ir.placing import live_bytes, place
from intact.ir.sharing import Part, Sharing, sharing

ALIGNMENT = 16  # bytes; a vector register
NO_ALIASES: Mapping[str, str] = {}
NO_SCRATCH: Mapping[str, int] = {}
_ROUNDS = 1000  # of the search on a device's plan: below a second for hundreds of values


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a value lies.

    Steps are indices of nodes; -1 is before the first, len(nodes) after the last.
    """

    name: str
    inside: str | None  # the value of the caller's memory that holds it; None: the arena
    offset: int  # bytes from the start of either
    size: int  # bytes
    first: int  # the step that writes its first byte
    last: int  # the last step that reads it


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Byte offset of each value in an arena of `size` bytes, at one batch size."""

    offsets: Mapping[str, int]
    size: int
    live: tuple[int, ...]  # bytes of the arena that are needed during steps -1, 0, ...
    places: tuple[Place, ...]  # of all values, the caller's too, in the order of writing
    scratch: Mapping[str, int]  # byte offset of a node's scratch memory
    moved: frozenset[str]  # nodes that have nothing to do: their output is in place already

    @property
    def lower_bound(self) -> int:
        """The most bytes that are needed at the same time: no arena is smaller."""
        return max(self.live)

    @property
    def peak(self) -> int:
        """The first step during which they are."""
        return self.live.index(self.lower_bound) - 1


def plan(
    program: Program,
    batch: int = 1,
    *,
    aliases: Mapping[str, str] = NO_ALIASES,
    elsewhere: Collection[str] = (),
    alignment: int = ALIGNMENT,
) -> MemoryPlan:
    """Offsets such that values that live at the same time do not overlap.

    Inputs, outputs and everything between have a place; constants do not.

    Args:
        program: What is to run.
        batch: Its batch size.
        aliases: Values that share the storage of another one, by name.
        elsewhere: Values that the caller stores.
        alignment: Bytes; every offset is a multiple.
    """
    views = {name: Part(source, 0) for name, source in aliases.items()}
    found = clusters(program, batch, Sharing(views, {}, {}), elsewhere, NO_SCRATCH)
    return _placed(program, found, None, alignment=alignment, rounds=0)


def plan_device(
    program: Program,
    budget: int | None = None,
    *,
    elsewhere: Collection[str] = (),
    scratch: Mapping[str, int] = NO_SCRATCH,
    alignment: int = ALIGNMENT,
) -> MemoryPlan:
    """A plan for one sample and one thread, as tight as can be found.

    Values that consist of others' bytes lie there (reshapes, runs of rows, what a concatenation
    joins), and operations on single elements write over an input that is read no more. So inputs
    in the arena are lost when the Program has run. Of values `elsewhere`, the inputs are only read
    and the outputs must not overlap them.

    Args:
        program: What is to run.
        budget: Bytes; a plan that fits is not improved, one that cannot fit neither.
        elsewhere: Inputs and outputs that the caller stores.
        scratch: Bytes that a node needs while it runs, by the node's name.
        alignment: Bytes; the offset of every value that is not part of another is a multiple.
    """
    found = clusters(program, 1, sharing(program), elsewhere, scratch)
    return _placed(program, found, budget, alignment=alignment, rounds=_ROUNDS)


def _placed(
    program: Program, found: Clusters, budget: int | None, *, alignment: int, rounds: int
) -> MemoryPlan:
    inside = [cluster for cluster in found.clusters if cluster.stored is None]
    everything = [*inside, *found.scratch.values()]
    live = live_bytes(everything, len(program.nodes))
    enough = max(live) if budget is None else budget
    placed = place(everything, live, enough, alignment=alignment, rounds=rounds)
    places = [
        place
        for cluster, offset in zip(inside, placed.offsets, strict=False)
        for place in _places(cluster, offset, None)
    ]
    offsets = {place.name: place.offset for place in places}
    for cluster in found.clusters:
        if cluster.stored is not None:
            places += _places(cluster, -cluster.stored.offset, cluster.stored.name)
    places.sort(key=lambda place: place.first)
    scratch = dict(zip(found.scratch, placed.offsets[len(inside) :], strict=True))
    return MemoryPlan(offsets, placed.size, tuple(live), tuple(places), scratch, found.moved)


def _places(cluster: Cluster, base: int, inside: str | None) -> list[Place]:
    return [Place(p.name, inside, base + p.offset, p.size, p.first, p.last) for p in cluster.pieces]
