"""Treatment: in which order cures are tried.

1. The recipe as it is.
2. Cures that cost nothing at run time, everywhere, one on top of the other; one that makes the
   metric worse is left out again.
3. The others, each from the result of those before it: for the worst layer, the worst 2, 4, 8, ...
   (of LEARNED_ROUNDING 8) and all layers at fault, the guiltiest of what the cure restores first.

Whoever drives the treatment measures each candidate, and stops when one is good enough.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from intact.diagnosis.blame import Blame
from intact.diagnosis.cures import Cure
from intact.diagnosis.rewriting import Layers
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ptq import Recipe


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recipe to be tried."""

    name: str
    recipe: Recipe
    words: tuple[str, ...] = ()  # what was done to the first recipe, for people
    cure: str = ""  # the last one's name


Metric: TypeAlias = float  # of a candidate; -inf if it was not tried
Diagnose: TypeAlias = Callable[[Candidate], Sequence[Blame]]


def treatment(
    start: Candidate, graph: Graph[FloatOp], cures: Sequence[Cure], diagnose: Diagnose
) -> Generator[Candidate, Metric, None]:
    """Yields candidates and is sent their metrics; none is yielded twice.

    Args:
        start: The recipe that the user asked for.
        graph: The float network without BatchNorm.
        cures: From the cheapest.
        diagnose: The layers at fault in what a candidate gave; asked only for the best so far.
    """
    best, metric = start, (yield start)
    for cure in cures:
        if cure.guilt is not None:
            continue
        tried = _with(best, cure, graph, None, cure.words)
        if tried.recipe != best.recipe:
            found = yield tried
            if found >= metric:
                best, metric = tried, found
    for cure in cures:
        if cure.guilt is None or cure.apply(best.recipe, graph, None) == best.recipe:
            continue
        base, seen = best, [best.recipe]
        for layers in _at_fault(cure, diagnose(base)):
            tried = _with(base, cure, graph, layers, _worded(cure, layers))
            if tried.recipe in seen:
                continue
            seen.append(tried.recipe)
            found = yield tried
            if found > metric:
                best, metric = tried, found


def _at_fault(cure: Cure, blames: Sequence[Blame]) -> list[list[str]]:
    """The worst layer, the worst two, four, ... and all that the cure is for."""
    assert cure.guilt is not None
    guilty = [blame for blame in blames if cure.guilt(blame) > 0]
    names = [blame.layer for blame in sorted(guilty, key=cure.guilt, reverse=True)]
    limit = min(len(names), max(1, int(cure.most * len(blames))))
    sizes, size = [], 1
    while size < limit:
        sizes.append(size)
        size *= cure.growth
    return [names[:size] for size in (*sizes, limit) if size]


def _with(
    before: Candidate, cure: Cure, graph: Graph[FloatOp], layers: Layers, words: str
) -> Candidate:
    return Candidate(
        f"{before.name} + {cure.titled(layers)}",
        cure.apply(before.recipe, graph, layers),
        (*before.words, words),
        cure.name,
    )


_NAMED = 3  # layers in a line for people


def _worded(cure: Cure, layers: Sequence[str]) -> str:
    listed = ", ".join(layers[:_NAMED])
    rest = f" and {len(layers) - _NAMED} more" if len(layers) > _NAMED else ""
    return f"{cure.words} in {listed}{rest}"
