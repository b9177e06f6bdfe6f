"""Patch-based execution: the first operations of a network, one band of rows after the other.

A network's memory peaks at its first, large images. Computed in bands, of each image only some
rows exist at a time, and what neighbouring bands share is computed twice (Lin et al. 2021,
MCUNetV2). The integers stay the same: a band is padded where the image ends, and elsewhere reads
the rows of its neighbours.
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

    The last one's output, at step `last` of the Program, is all of them that others read.
    """

    nodes: tuple[Node[IntOp], ...]
    last: int

    @property
    def output(self) -> Value:
        """What the stage computes."""
        return self.nodes[-1].output


@dataclass(frozen=True, slots=True)
class _Step:
    """A node of one band."""

    node: Node[IntOp]
    rows: Rows
    band: Band


def stages(program: Program) -> Iterator[Stage]:
    """Every stage of at least two nodes, each as long as it can be towards the inputs."""
    outputs = {value.name for value in program.outputs}
    readers = program.consumers()
    members: dict[str, frozenset[str]] = {}  # of the stage that ends at a node, by its name
    for step, node in enumerate(program.nodes):
        whole = band(node, Rows(0, node.output.shape[1])) if len(node.output.shape) == 4 else None
        if whole is None or _reads_constant_rows(node, whole, program):
            continue
        before = [
            members[value.name]
            for value, rows in zip(node.inputs, whole.inputs, strict=True)
            if rows is not None and value.name in members
        ]
        inside = frozenset({node.name}).union(*before)
        members[node.name] = inside
        hidden = inside - {node.name}
        if (
            hidden
            and not hidden & outputs
            and all(reader.name in inside for name in hidden for reader in readers.get(name, []))
        ):
            nodes = tuple(n for n in program.nodes[: step + 1] if n.name in inside)
            yield Stage(nodes, step)


def _reads_constant_rows(node: Node[IntOp], whole: Band, program: Program) -> bool:
    return any(
        rows is not None and value.name in program.constants
        for value, rows in zip(node.inputs, whole.inputs, strict=True)
    )


def patched(program: Program, stage: Stage, bands: int) -> Program | None:
    """The Program with the stage computed in this many bands; None if it cannot be.

    The output of the stage keeps its name, a band's values are called `name.band0` and so on.
    """
    plans = _plans(stage, bands)
    if plans is None:
        return None
    taken = {value.name for value in program.values()}
    nodes: list[Node[IntOp]] = []
    parts = []
    for number, plan in enumerate(plans):
        writer = _BandWriter(f"band{number}", taken, nodes)
        for step in plan:
            writer.add(step)
        parts.append(writer.values[stage.output.name])
    nodes.append(Node(Concat(1), tuple(parts), stage.output))
    inside = {node.name for node in stage.nodes}
    before = [n for n in program.nodes[: stage.last + 1] if n.name not in inside]
    after = program.nodes[stage.last + 1 :]
    return Graph(program.inputs, program.outputs, (*before, *nodes, *after), program.constants)


def band_macs(stage: Stage, bands: int) -> int | None:
    """Multiply-accumulates of the stage in bands; None if it cannot be computed so."""
    plans = _plans(stage, bands)
    if plans is None:
        return None
    return sum(
        multiply_accumulates(replace(step.node, output=with_rows(step.node.output, step.rows)))
        for plan in plans
        for step in plan
    )


def _plans(stage: Stage, bands: int) -> list[list[_Step]] | None:
    """The steps of each band."""
    height = stage.output.shape[1]
    edges = [height * k // bands for k in range(bands + 1)]
    plans = []
    for start, stop in pairwise(edges):
        steps = _steps(stage, Rows(start, stop))
        if steps is None:
            return None
        plans.append(steps)
    return plans


def _steps(stage: Stage, rows: Rows) -> list[_Step] | None:
    """What to compute for some rows of the stage's output: of each value no more than is read."""
    needed = {stage.output.name: rows}
    inside = {node.name for node in stage.nodes}
    steps = []
    for node in reversed(stage.nodes):
        made = band(node, needed[node.name])
        if made is None:
            return None
        steps.append(_Step(node, needed[node.name], made))
        for value, part in zip(node.inputs, made.inputs, strict=True):
            if part is None and value.name in inside:
                return None
            if part is not None:
                needed[value.name] = part.hull(needed.get(value.name, part))
    return steps[::-1]


class _BandWriter:
    """Writes one band's nodes; what they read of other values is cut out once."""

    def __init__(self, suffix: str, taken: set[str], nodes: list[Node[IntOp]]) -> None:
        self.suffix, self.taken, self.nodes = suffix, taken, nodes
        self.values: dict[str, Value] = {}  # this band's part of a value, by the value's name
        self.rows: dict[str, Rows] = {}
        self.cuts: dict[tuple[str, Rows], Value] = {}

    def add(self, step: _Step) -> None:
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
