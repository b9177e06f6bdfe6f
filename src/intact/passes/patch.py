"""Patch-based execution: operations on large images, one band of rows after the other.

A network's memory peaks where its images are largest, mostly at its start. Computed in bands, of
each image only some rows exist at a time, and what neighbouring bands share is computed twice (Lin
et al. 2021, MCUNetV2). The integers stay the same: a band is padded where the image ends, and
elsewhere reads the rows of its neighbours.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from intact.ir.float_ops import Concat, Slice
from intact.ir.graph import Graph, Node, Value, free_name
from intact.ir.int_ops import IntOp, Program
from intact.ir.macs import multiply_accumulates
from intact.passes.bands import Band, Rows, band, with_rows


@dataclass(frozen=True, slots=True)
class Stage:
    """Operations that bands may compute, in execution order.

    They are steps `first` to `last` of the Program, others perhaps between them. The last one's
    output is all that others read.
    """

    nodes: tuple[Node[IntOp], ...]
    first: int
    last: int

    @property
    def output(self) -> Value:
        """What the stage computes."""
        return self.nodes[-1].output


@dataclass(frozen=True, slots=True)
class Step:
    """A node for some rows of its output."""

    node: Node[IntOp]
    rows: Rows
    band: Band

    @property
    def macs(self) -> int:
        """Its multiply-accumulates."""
        return multiply_accumulates(
            replace(self.node, output=with_rows(self.node.output, self.rows))
        )


@dataclass(frozen=True, slots=True)
class Patch:
    """A stage in bands, each with its steps in execution order."""

    stage: Stage
    bands: tuple[tuple[Step, ...], ...]

    @property
    def extra_macs(self) -> int:
        """Multiply-accumulates that bands compute again."""
        made = sum(step.macs for steps in self.bands for step in steps)
        return made - sum(map(multiply_accumulates, self.stage.nodes))


def stages(program: Program) -> Iterator[Stage]:
    """Every stage of at least two nodes, each as long as it can be towards the inputs."""
    outputs = {value.name for value in program.outputs}
    readers = program.consumers()
    bands = {node.name: _whole_band(node, program) for node in program.nodes}
    for last, end in enumerate(program.nodes):
        inside: dict[str, Node[IntOp]] = {}
        first = last
        for step in range(last, -1, -1):
            node = program.nodes[step]
            read = readers.get(node.name, [])
            hidden = node.name not in outputs and all(
                reader.name in inside and _reads_rows(reader, bands[reader.name], node.name)
                for reader in read
            )
            if bands[node.name] is not None and (node is end or (read and hidden)):
                inside[node.name] = node
                first = step
        if end.name in inside and len(inside) > 1:
            yield Stage(tuple(inside.values())[::-1], first, last)


def _whole_band(node: Node[IntOp], program: Program) -> Band | None:
    """The node as a single band; None if it has no bands, or reads rows of constants."""
    whole = band(node, Rows(0, node.output.shape[1])) if len(node.output.shape) == 4 else None
    if whole is None or any(
        rows is not None and value.name in program.constants
        for value, rows in zip(node.inputs, whole.inputs, strict=True)
    ):
        return None
    return whole


def _reads_rows(reader: Node[IntOp], whole: Band | None, name: str) -> bool:
    """Whether a band of the reader needs some rows of the value, not all of it."""
    return whole is not None and all(
        rows is not None
        for value, rows in zip(reader.inputs, whole.inputs, strict=True)
        if value.name == name
    )


def cut(stage: Stage, bands: int) -> Patch | None:
    """The stage in so many bands, whose heights differ by one row at most; None if it cannot be."""
    height = stage.output.shape[1]
    if bands > height:
        return None
    edges = [height * k // bands for k in range(bands + 1)]
    found = []
    for start, stop in pairwise(edges):
        steps = _steps(stage, Rows(start, stop))
        if steps is None:
            return None
        found.append(steps)
    return Patch(stage, tuple(found))


def patched(program: Program, patch: Patch) -> Program:
    """The Program with a stage of it computed in bands.

    The output of the stage keeps its name, a band's values are called `name.band0` and so on.
    """
    taken = {value.name for value in program.values()}
    nodes: list[Node[IntOp]] = []
    parts = []
    for number, steps in enumerate(patch.bands):
        writer = _BandWriter(f"band{number}", taken, nodes)
        for step in steps:
            writer.add(step)
        parts.append(writer.values[patch.stage.output.name])
    nodes.append(Node(Concat(1), tuple(parts), patch.stage.output))
    last = patch.stage.last
    inside = {node.name for node in patch.stage.nodes}
    before = [node for node in program.nodes[: last + 1] if node.name not in inside]
    after = program.nodes[last + 1 :]
    return Graph(program.inputs, program.outputs, (*before, *nodes, *after), program.constants)


def _steps(stage: Stage, rows: Rows) -> tuple[Step, ...] | None:
    """What to compute for some rows of the stage's output: of each value no more than is read."""
    needed = {stage.output.name: rows}
    steps = []
    for node in reversed(stage.nodes):
        made = band(node, needed[node.name])
        if made is None:
            return None
        steps.append(Step(node, needed[node.name], made))
        for value, part in zip(node.inputs, made.inputs, strict=True):
            if part is not None:
                needed[value.name] = part.hull(needed.get(value.name, part))
    return tuple(reversed(steps))


class _BandWriter:
    """Writes one band's nodes; what they read of other values is cut out once."""

    def __init__(self, suffix: str, taken: set[str], nodes: list[Node[IntOp]]) -> None:
        self.suffix, self.taken, self.nodes = suffix, taken, nodes
        self.values: dict[str, Value] = {}  # this band's part of a value, by the value's name
        self.rows: dict[str, Rows] = {}
        self.cuts: dict[tuple[str, Rows], Value] = {}

    def add(self, step: Step) -> None:
        """Writes a node for its rows."""
        inputs = [
            value if rows is None else self._cut(value, rows)
            for value, rows in zip(step.node.inputs, step.band.inputs, strict=True)
        ]
        output = self._named(step.node.output, step.rows)
        self.nodes.append(Node(step.band.op, tuple(inputs), output))
        self.values[step.node.name] = output
        self.rows[step.node.name] = step.rows

    def _cut(self, value: Value, rows: Rows) -> Value:
        """Rows of a value, which may exist in part."""
        source = self.values.get(value.name, value)
        exist = self.rows.get(value.name, Rows(0, value.shape[1]))
        if exist == rows:
            return source
        if (value.name, rows) not in self.cuts:
            cut = self._named(value, rows)
            slicing = Slice(1, rows.start - exist.start, rows.stop - exist.start)
            self.nodes.append(Node(slicing, (source,), cut))
            self.cuts[value.name, rows] = cut
        return self.cuts[value.name, rows]

    def _named(self, value: Value, rows: Rows) -> Value:
        name = free_name(f"{value.name}.{self.suffix}", self.taken)
        self.taken.add(name)
        return replace(with_rows(value, rows), name=name)
