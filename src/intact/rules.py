"""Rule: which tensors get what."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

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


def select(rules: Sequence[Rule[W, A]], names: Iterable[str]) -> dict[str, Rule[W, A]]:
    """The rule of each name; a name that no rule matches is absent.

    Raises:
        ValueError: if a rule other than ``"*"`` matches no name; it lists the nearest names.
    """
    known = list(names)
    for rule in rules:
        if rule.match != "*" and not any(fnmatchcase(name, rule.match) for name in known):
            raise ValueError(f'no layer or input matches "{rule.match}"{_hint(rule.match, known)}')
    chosen: dict[str, Rule[W, A]] = {}
    for name in known:
        matching = [rule for rule in rules if fnmatchcase(name, rule.match)]
        if matching:
            chosen[name] = matching[0]
    return chosen


def _hint(match: str, names: list[str]) -> str:
    nearest = difflib.get_close_matches(match, names, n=3, cutoff=0.0)
    return f"; the nearest names are {', '.join(nearest)}" if nearest else "; there are none"
