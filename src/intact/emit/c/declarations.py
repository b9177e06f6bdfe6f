"""The constants of a C file: arrays and structures, each stated once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from intact.emit.c.names import comment, free_identifier
from intact.numerics.arrays import Array

WIDTH = 100  # columns of a line
Initializer: TypeAlias = "int | str | Sequence[Initializer] | Mapping[str, Initializer]"


@dataclass(frozen=True, slots=True)
class Data:
    """`static const type name[count] = {...};`."""

    name: str
    values: Array  # of a NumPy type that C has too: int8, uint16, ...
    about: str  # what it is, for people

    @property
    def head(self) -> str:
        """The declaration without what it holds."""
        return f"const {c_type(self.values)} {self.name}[{self.values.size}]"

    def size(self, most_axes: int) -> int:  # noqa: ARG002
        """Bytes."""
        return self.values.nbytes

    def lines(self) -> Iterator[str]:
        """The definition, 100 columns wide."""
        if self.values.size == 1:
            yield f"static {self.head} = {{{integer(int(self.values.reshape(())))}}};"
            return
        yield comment(self.about)
        yield f"static {self.head} = {{"
        yield from wrapped(self.values)
        yield "};"


@dataclass(frozen=True, slots=True)
class Structure:
    """`static const type name = {...};`."""

    name: str
    type: str
    fields: Initializer

    def size(self, most_axes: int) -> int:
        """Bytes where pointers have 32 bits; arrays of numbers have `most_axes` each."""
        return _words(self.fields, most_axes) * 4

    def lines(self) -> Iterator[str]:
        """The definition."""
        yield from folded(f"static const {self.type} {self.name} = {initializer(self.fields)};")


@dataclass
class Declarations:
    """Constants in the order in which they were asked for; equal ones share a name."""

    names: set[str] = field(default_factory=set)  # taken, at first by others
    items: list[Data | Structure] = field(default_factory=list)
    _known: dict[tuple[str, object], str] = field(default_factory=dict)

    def array(self, wanted: str, values: Array, about: str) -> str:
        """The name of an array with these values; `wanted` if it is new and free."""
        key = (c_type(values), values.tobytes())
        if key not in self._known:
            name = self._add(wanted)
            self.items.append(Data(name, np.ascontiguousarray(values), about))
            self._known[key] = name
        return self._known[key]

    def structure(self, wanted: str, type: str, fields: Initializer) -> str:  # noqa: A002
        """The name of a structure with these fields."""
        key = (type, initializer(fields))
        if key not in self._known:
            name = self._add(wanted)
            self.items.append(Structure(name, type, fields))
            self._known[key] = name
        return self._known[key]

    def most_axes(self) -> int:
        """The largest rank of a structure's grid, at least 1."""
        ranks = (
            rank
            for item in self.items
            if isinstance(item, Structure)
            for rank in _ranks(item.fields)
        )
        return max(ranks, default=1) or 1

    def _add(self, wanted: str) -> str:
        name = free_identifier(wanted, self.names)
        self.names.add(name)
        return name


def _words(fields: Initializer, most_axes: int) -> int:
    match fields:
        case int() | str():
            return 1
        case Mapping():
            return sum(_words(part, most_axes) for part in fields.values())
        case _ if all(isinstance(part, int) for part in fields):
            return most_axes
        case _:
            return sum(_words(part, most_axes) for part in fields)


def _ranks(fields: Initializer) -> Iterator[int]:
    if isinstance(fields, Mapping):
        for name, part in fields.items():
            if name == "rank" and isinstance(part, int):
                yield part
            yield from _ranks(part)


def c_type(values: Array) -> str:
    """C's name of an array's type."""
    return f"{values.dtype.name}_t"


def initializer(value: Initializer) -> str:
    """Braces round what has parts; a mapping names its members."""
    match value:
        case int():
            return integer(value)
        case str():
            return value
        case Mapping():
            parts = [f".{name} = {initializer(part)}" for name, part in value.items()]
        case _:
            parts = [initializer(part) for part in value]
    return "{" + ", ".join(parts) + "}"


def integer(value: int) -> str:
    """A constant of C; its lowest numbers have none of their own."""
    if value == -(1 << 31):
        return "INT32_MIN"
    if value == -(1 << 63):
        return "INT64_MIN"
    return str(value)


def wrapped(values: Array) -> Iterator[str]:
    """The numbers with commas, as many to a line as fit whatever they are."""
    flat = values.reshape(-1)
    longest = max(len(integer(int(end))) for end in (flat.min(), flat.max()))
    count = max((WIDTH - 1) // (longest + 2), 1)
    for start in range(0, flat.size, count):
        texts = map(integer, flat[start : start + count].tolist())
        yield f"  {', '.join(texts)},"


def folded(text: str) -> Iterator[str]:
    """A long statement on several lines, each within the width where that can be.

    Lines end between fields or arguments, where they are short enough.
    """
    indent = " " * (len(text) - len(text.lstrip()) + 4)
    while len(text) > WIDTH:
        cut = text.rfind(", ", len(indent), WIDTH) + 1 or text.rfind(" ", len(indent), WIDTH)
        if cut < 0:
            break
        yield text[:cut]
        text = indent + text[cut + 1 :]
    yield text
