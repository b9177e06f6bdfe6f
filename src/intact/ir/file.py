"""Saves and loads a Program and its certificate as one .intact file; see `container` for its bytes.

The header is ``{"program": ..., "certificate": ... or null, "tensors": [...]}``; version 1 had no
certificate. Values are listed once and referred to by name; the tensors are the constants, packed
to the bits of their formats, the larger arrays of operations, and the inputs of test vectors.
Everything is in the order of the program, so that equal Programs give equal bytes.
"""

from collections.abc import Mapping
from pathlib import Path

from intact.errors import FormatError, VerifyError
from intact.ir.attributes import MAX_RANK
from intact.ir.boundary import code_boundary
from intact.ir.certificate import Certificate, Vectors, check_vectors
from intact.ir.container import aligned, read, write
from intact.ir.entries import (
    CertificateEntry,
    ConstantEntry,
    NodeEntry,
    ProgramEntry,
    TensorEntry,
    VectorsEntry,
    op_entry,
    op_of,
    used_values,
)
from intact.ir.graph import Graph, Node, Shape, Value
from intact.ir.int_ops import Program
from intact.ir.packing import Bytes, pack, packed_bytes, unpack
from intact.ir.schema import Json, decode, encode, refuse
from intact.ir.size import array_format
from intact.ir.verify import verify
from intact.numerics.arrays import Array
from intact.numerics.formats import Format

MAX_MESSAGE = 500  # characters of a file's content must not flood a terminal


# --- saving ----------------------------------------------------------------------------------


class _Writer:
    """Numbers and packs the tensors in the order in which they are met."""

    def __init__(self) -> None:
        self.entries: list[tuple[Format, Shape]] = []
        self.packed: list[Bytes] = []

    def add(self, array: Array, dtype: Format) -> int:
        self.entries.append((dtype, array.shape))
        self.packed.append(pack(array, dtype))
        return len(self.packed) - 1

    def store(self, array: Array) -> int:
        """Integers of an operation, in the fewest whole bytes that hold them."""
        return self.add(array, array_format(array))


def save(program: Program, path: Path, certificate: Certificate | None = None) -> None:
    """Writes the program and its certificate; the same ones give the same bytes.

    The file appears whole or not at all: until the new one is complete, an old one stays.

    Raises:
        VerifyError: if the program is not legal, or the test vectors are not for it.
        OSError: if the file cannot be written.
    """
    verify(program)
    if certificate is not None and certificate.vectors is not None:
        check_vectors(certificate.vectors, program)
    writer = _Writer()
    encoded: dict[str, Json] = {
        "program": encode(_entry(program, writer), ProgramEntry, writer.store),
        "certificate": None
        if certificate is None
        else encode(
            _certificate_entry(certificate, program, writer), CertificateEntry, writer.store
        ),
    }
    write(path, {**encoded, "tensors": _table(writer)}, writer.packed)


def _entry(program: Program, writer: _Writer) -> ProgramEntry:
    values = {value.name: value for value in (*program.values(), *program.outputs)}
    return ProgramEntry(
        values=tuple(values.values()),
        inputs=tuple(value.name for value in program.inputs),
        outputs=tuple(value.name for value in program.outputs),
        nodes=tuple(
            NodeEntry(op_entry(node.op), tuple(v.name for v in node.inputs), node.name)
            for node in program.nodes
        ),
        constants=tuple(
            ConstantEntry(name, writer.add(program.constants[name], value.dtype))
            for name, value in values.items()
            if name in program.constants
        ),
    )


def _certificate_entry(
    certificate: Certificate, program: Program, writer: _Writer
) -> CertificateEntry:
    vectors = certificate.vectors
    if vectors is None:
        return CertificateEntry(certificate.origin, None)
    inputs = tuple(
        ConstantEntry(value.name, writer.add(vectors.inputs[value.name], value.dtype))
        for value in code_boundary(program).program.inputs
    )
    entry = VectorsEntry(vectors.samples, inputs, vectors.outputs)
    return CertificateEntry(certificate.origin, entry)


def _table(writer: _Writer) -> Json:
    offset = 0
    table: list[Json] = []
    for (dtype, shape), packed in zip(writer.entries, writer.packed, strict=True):
        entry = TensorEntry(dtype, shape, offset, packed.size)
        table.append(encode(entry, TensorEntry, writer.store))
        offset = aligned(offset + packed.size)
    return table


# --- loading ---------------------------------------------------------------------------------


class _Reader:
    """Unpacks each tensor once: a file cannot make many large arrays of one small tensor."""

    def __init__(self, table: tuple[TensorEntry, ...], data: Bytes) -> None:
        """Checks the table: each tensor starts where the one before it ended, aligned."""
        end = 0
        for number, entry in enumerate(table):
            where = f"tensors[{number}]"
            if entry.offset != aligned(end):
                raise FormatError(f"{where}: starts at {entry.offset}, expected {aligned(end)}")
            if min(entry.shape, default=1) < 1 or len(entry.shape) > MAX_RANK:
                raise FormatError(f"{where}: has shape {entry.shape[:MAX_RANK]}")
            if entry.bytes != packed_bytes(entry.dtype, entry.shape):
                raise FormatError(f"{where}: {entry.bytes} bytes are not those of its shape")
            end = entry.offset + entry.bytes
        if end != data.size:
            raise FormatError(f"its tensors take {end} bytes, the file has {data.size} for them")
        self.table = table
        self._data = data
        self._unused = set(range(len(table)))

    def fetch(self, number: Json, where: str) -> Array:
        """The codes of a tensor that nobody has asked for before."""
        if not isinstance(number, int) or isinstance(number, bool) or number not in self._unused:
            raise refuse(where, number, "the number of a tensor that nothing else uses")
        self._unused.remove(number)
        entry = self.table[number]
        data = self._data[entry.offset : entry.offset + entry.bytes]
        try:
            return unpack(data, entry.dtype, entry.shape)
        except ValueError as error:
            raise FormatError(f"{where}: {error}") from None

    def finish(self) -> None:
        """Every tensor has been asked for."""
        if self._unused:
            raise FormatError(f"tensors[{min(self._unused)}]: nothing uses it")


def load(path: Path) -> Program:
    """As `load_certified`, without the certificate, which is checked as well."""
    return load_certified(path)[0]


def load_certified(path: Path) -> tuple[Program, Certificate | None]:
    """Reads and verifies a program and its certificate, if it has one; arrays are read-only.

    Raises:
        FormatError: if the file is damaged, of another kind or version, or holds no legal program.
        OSError: if it cannot be read.
    """
    try:
        header, data = read(path)
        program, certificate = _decode_header(header, data)
        verify(program)
        if certificate is not None and certificate.vectors is not None:
            check_vectors(certificate.vectors, program)
    except (FormatError, VerifyError) as error:
        raise FormatError(f"{path}: {str(error)[:MAX_MESSAGE]}") from None
    return program, certificate


def _decode_header(header: Json, data: Bytes) -> tuple[Program, Certificate | None]:
    if not isinstance(header, dict) or header.keys() - {"certificate"} != {"program", "tensors"}:
        raise refuse("header", header, "a program and its tensors")
    table = decode(header["tensors"], tuple[TensorEntry, ...], "tensors", _no_tensor)
    reader = _Reader(table, data)
    entry = decode(header["program"], ProgramEntry, "program", reader.fetch)
    program = _program(entry, reader)
    certificate = _certificate(header.get("certificate"), reader)
    reader.finish()
    return program, certificate


def _certificate(header: Json, reader: _Reader) -> Certificate | None:
    entry = decode(header, CertificateEntry | None, "certificate", reader.fetch)
    if entry is None or entry.vectors is None:
        return None if entry is None else Certificate(entry.origin, None)
    inputs = {
        each.name: reader.fetch(each.tensor, "certificate.vectors") for each in entry.vectors.inputs
    }
    if len(inputs) != len(entry.vectors.inputs):
        raise FormatError("certificate.vectors: an input is listed twice")
    vectors = Vectors(entry.vectors.samples, inputs, entry.vectors.outputs)
    return Certificate(entry.origin, vectors)


def _no_tensor(number: Json, where: str) -> Array:
    raise refuse(where, number, "allowed in the table of tensors")


def _program(entry: ProgramEntry, reader: _Reader) -> Program:
    values = used_values(entry)
    nodes = tuple(
        Node(op_of(node.op), tuple(values[name] for name in node.inputs), values[node.output])
        for node in entry.nodes
    )
    inputs = tuple(values[name] for name in entry.inputs)
    outputs = tuple(values[name] for name in entry.outputs)
    return Graph(inputs, outputs, nodes, _constants(entry, values, reader))


def _constants(
    entry: ProgramEntry, values: Mapping[str, Value], reader: _Reader
) -> dict[str, Array]:
    constants: dict[str, Array] = {}
    for constant in entry.constants:
        value = values.get(constant.name)
        if value is None or constant.name in constants:
            raise FormatError(f"constant {constant.name[:50]!r} is listed twice or is no value")
        where = f'constant "{constant.name}"'
        constants[constant.name] = reader.fetch(constant.tensor, where)
        stored = reader.table[constant.tensor].dtype
        if stored != value.dtype:
            raise FormatError(f"{where}: its tensor is {stored!r}, the value {value.dtype!r}")
    return constants
