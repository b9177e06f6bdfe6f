"""What the header of an .intact file holds: values by name, arrays by the number of a tensor."""

from dataclasses import dataclass
from typing import cast

from intact.errors import FormatError
from intact.ir.attributes import NAME_RULE, is_name
from intact.ir.certificate import Origin, OutputHash
from intact.ir.float_ops import BodyOp, Scan
from intact.ir.graph import Graph, Node, Shape, Value
from intact.ir.int_ops import IntBodyOp, IntOp, QScan
from intact.numerics.formats import Format


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where a tensor of codes lies, counted from the end of the header, aligned."""

    dtype: Format
    shape: Shape
    offset: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BodyNodeEntry:
    """A node of a body; values by name."""

    op: IntBodyOp
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, slots=True)
class BodyEntry:
    """What a loop runs in each step."""

    values: tuple[Value, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[BodyNodeEntry, ...]


@dataclass(frozen=True, slots=True)
class ScanEntry:
    """A `Scan`."""

    body: BodyEntry
    axis: int
    state: int
    reverse: bool


@dataclass(frozen=True, slots=True)
class QScanEntry:
    """A `QScan`."""

    body: BodyEntry
    axis: int
    state: int
    reverse: bool


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """A node; values by name."""

    op: IntBodyOp | ScanEntry | QScanEntry
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, slots=True)
class ConstantEntry:
    """A constant, or the input of test vectors, and the number of its tensor."""

    name: str
    tensor: int


@dataclass(frozen=True, slots=True)
class ProgramEntry:
    """A Program, its values listed once, each as first met."""

    values: tuple[Value, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[NodeEntry, ...]
    constants: tuple[ConstantEntry, ...]


@dataclass(frozen=True, slots=True)
class VectorsEntry:
    """Test vectors, their inputs in tensors."""

    samples: int
    inputs: tuple[ConstantEntry, ...]
    outputs: tuple[OutputHash, ...]


@dataclass(frozen=True, slots=True)
class CertificateEntry:
    """A certificate."""

    origin: Origin
    vectors: VectorsEntry | None


def op_entry(op: IntOp) -> IntBodyOp | ScanEntry | QScanEntry:
    """What stands for an operation."""
    match op:
        case Scan(body, axis, state, reverse):
            return ScanEntry(_body_entry(body), axis, state, reverse)
        case QScan(body, axis, state, reverse):
            return QScanEntry(_body_entry(body), axis, state, reverse)
        case _:
            return op


def _body_entry(body: Graph[IntBodyOp]) -> BodyEntry:
    values = {value.name: value for value in (*body.values(), *body.outputs)}
    return BodyEntry(
        values=tuple(values.values()),
        inputs=tuple(value.name for value in body.inputs),
        outputs=tuple(value.name for value in body.outputs),
        nodes=tuple(
            BodyNodeEntry(node.op, tuple(v.name for v in node.inputs), node.name)
            for node in body.nodes
        ),
    )


def op_of(entry: IntBodyOp | ScanEntry | QScanEntry) -> IntOp:
    """The operation that an entry stands for."""
    match entry:
        case ScanEntry(body, axis, state, reverse):
            # What the body holds is looked at by `verify`.
            return Scan(cast(Graph[BodyOp], _body(body)), axis, state, reverse)
        case QScanEntry(body, axis, state, reverse):
            return QScan(_body(body), axis, state, reverse)
        case _:
            return entry


def _body(entry: BodyEntry) -> Graph[IntBodyOp]:
    values = used_values(entry)
    nodes = tuple(
        Node(node.op, tuple(values[name] for name in node.inputs), values[node.output])
        for node in entry.nodes
    )
    inputs = tuple(values[name] for name in entry.inputs)
    return Graph(inputs, tuple(values[name] for name in entry.outputs), nodes, {})


def used_values(entry: ProgramEntry | BodyEntry) -> dict[str, Value]:
    """The values by name, each of which is used."""
    values = _by_name(entry.values)
    used = {*entry.inputs, *entry.outputs}
    for node in entry.nodes:
        used.update((*node.inputs, node.output))
    if used != values.keys():
        raise FormatError(f"values {sorted(used ^ values.keys())[:5]} are missing or unused")
    return values


def _by_name(values: tuple[Value, ...]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for value in values:
        if not is_name(value.name):
            raise FormatError(f"value {value.name[:50]!r}: {NAME_RULE}")
        if value.name in found:
            raise FormatError(f'value "{value.name}" is listed twice')
        found[value.name] = value
    return found
