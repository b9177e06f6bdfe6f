"""Program → TFLite file."""

from collections.abc import Sequence
from pathlib import Path

from intact.emit.tflite.groups import ungrouped
from intact.emit.tflite.ledger import Ledger
from intact.emit.tflite.nodes import emit_node
from intact.ir.boundary import code_boundary
from intact.ir.graph import Value
from intact.ir.int_ops import Program
from intact.ir.replacing import replacing
from intact.ir.scans import unrolled


def to_bytes(program: Program) -> bytes:
    """The Program as a TFLite file whose reference kernels compute its codes.

    The file computes what `code_boundary(program).program` does: codes in, codes out, channels
    last. Its inputs, outputs and signature have the user's names. Equal Programs give equal bytes.

    Raises:
        UnsupportedOpError: if TFLite cannot compute the same codes; it names the layer.
        FormatError: if the file would be larger than 2 GB.
    """
    boundary = code_boundary(program)
    return _file(
        boundary.program,
        [(port.user.name, port.stored) for port in boundary.inputs],
        [(port.user.name, port.stored) for port in boundary.outputs],
    )


def codes_to_bytes(program: Program) -> bytes:
    """A Program from codes to codes as it is, under its own names; raises as `to_bytes`."""
    return _file(
        program,
        [(value.name, value) for value in program.inputs],
        [(value.name, value) for value in program.outputs],
    )


def _file(
    program: Program, inputs: Sequence[tuple[str, Value]], outputs: Sequence[tuple[str, Value]]
) -> bytes:
    program = ungrouped(unrolled(program))
    ledger = Ledger(program)
    for node in program.nodes:
        emit_node(ledger, node)
    return ledger.writer.finish(
        [(name, ledger.read(value)) for name, value in inputs],
        [(name, ledger.read(value)) for name, value in outputs],
        "written by intact",
    )


def save(program: Program, path: Path | str) -> None:
    """Writes `to_bytes(program)` to a file that appears whole or not at all.

    Raises:
        UnsupportedOpError: if TFLite cannot compute the same codes; it names the layer.
        FormatError: if the file would be larger than 2 GB.
        OSError: if the file cannot be written.
    """
    data = to_bytes(program)
    with replacing(Path(path)) as file:
        file.write(data)
