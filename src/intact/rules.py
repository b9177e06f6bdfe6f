"""Rule: which tensors get what."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Generic, Protocol, TypeVar

from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.ir.scans import every_node
from intact.passes.placement import HasWeight

W = TypeVar("W", covariant=True)
A = TypeVar("A", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Rule(Generic[W, A]):
    """What the nodes whose names match the glob get: the first rule that matches decides.

    `match` has the wildcards ``*``, ``?`` and ``[seq]`` and tells upper from lower case. `weight`
    is about the node's weight, `activation` about its output, or about a graph input of that name.
    """

    match: str = "*"
    weight: W | None = None  # None: stays float
    activation: A | None = None  # None: stays float


class Matching(Protocol):
    """What has a glob: `Rule`, and what training has in its place."""

    @property
    def match(self) -> str:
        """The glob."""


class ForWeight(Protocol[W]):
    """What says how a weight is quantized."""

    @property
    def weight(self) -> W | None:
        """None: it stays float."""


R = TypeVar("R", bound=Matching)


def select(rules: Sequence[R], names: Iterable[str]) -> dict[str, R]:
    """The rule of each name; a name that no rule matches is absent.

    Raises:
        ValueError: if a rule other than ``"*"`` matches no name; it lists the nearest names.
    """
    known = list(names)
    for rule in rules:
        if rule.match != "*" and not any(fnmatchcase(name, rule.match) for name in known):
            raise ValueError(f'no layer or input matches "{rule.match}"{_hint(rule.match, known)}')
    chosen: dict[str, R] = {}
    for name in known:
        matching = [rule for rule in rules if fnmatchcase(name, rule.match)]
        if matching:
            chosen[name] = matching[0]
    return chosen


def weight_methods(
    graph: Graph[FloatOp], chosen: Mapping[str, ForWeight[W]]
) -> dict[str, tuple[Node[FloatOp], W]]:
    """What each weight gets, by the constant's name, and the first node that reads it.

    Args:
        graph: The network.
        chosen: The rule of each node by its name.

    Raises:
        ValueError: if layers that share a weight are given different methods.
    """
    readers: dict[str, tuple[Node[FloatOp], W | None]] = {}
    for node in every_node(graph):
        if not isinstance(node.op, HasWeight) or node.inputs[1].name not in graph.constants:
            continue
        name = node.inputs[1].name
        method = chosen[node.name].weight if node.name in chosen else None
        first, other = readers.setdefault(name, (node, method))
        if other != method:
            raise ValueError(
                f'"{first.name}" and "{node.name}" share the weight "{name}", but their rules give'
                f" it {other} and {method}; give both the same"
            )
    return {name: (node, method) for name, (node, method) in readers.items() if method is not None}


def _hint(match: str, names: list[str]) -> str:
    nearest = difflib.get_close_matches(match, names, n=3, cutoff=0.0)
    return f"; the nearest names are {', '.join(nearest)}" if nearest else "; there are none"
