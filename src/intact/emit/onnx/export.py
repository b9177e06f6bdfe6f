"""Program → ONNX model in QDQ form."""

from pathlib import Path

import onnx
from onnx import ModelProto, helper

from intact.emit.onnx.int_ops import emit_node
from intact.emit.onnx.ledger import Ledger
from intact.emit.onnx.unsigned import to_unsigned
from intact.errors import FormatError
from intact.ir.int_ops import Program
from intact.ir.replacing import replacing
from intact.ir.scans import unrolled

# Blocks of scales, 4-bit weights and 16-bit codes need opset 21, which needs IR version 10; newer
# ones would only shut out older runtimes.
OPSET = 21
IR_VERSION = 10


def to_onnx(program: Program, *, boundaries: bool = False) -> ModelProto:
    """The Program as an ONNX model that any ONNX runtime executes.

    QDQ form: a value of codes is the integer tensor that QuantizeLinear writes and
    DequantizeLinear reads; between the two stands the real operation that the integer operation
    stands for. Weights and biases are integer initializers. ONNX computes in floating point, so
    codes may differ by one from the reference executor's. Tensors and nodes keep the Program's
    names; images are channels first. Equal Programs give equal bytes.

    Args:
        program: what `lower` made.
        boundaries: for comparisons layer by layer: every value of codes `v` is an output `v`, and
            what reads it reads an input `v.in` instead, both in the Program's order of axes.

    Raises:
        UnsupportedOpError: if a value has codes that ONNX cannot express.
        FormatError: if the model is larger than the 2 GB of one ONNX file.
    """
    program = unrolled(program)
    ledger = Ledger(program, boundaries)
    for node in program.nodes:
        emit_node(ledger, node)
    return helper.make_model(
        ledger.graph(),
        producer_name="intact",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )


def save(program: Program, path: Path | str, *, unsigned: bool = False) -> None:
    """Writes `to_onnx(program)`, checked in full, to a file that appears whole or not at all.

    With `unsigned`, activations of 8 bits are uint8 (`to_unsigned`).

    Raises:
        UnsupportedOpError: if a value has codes that ONNX cannot express.
        FormatError: if the model is larger than 2 GB, or breaks ONNX's rules.
        OSError: if the file cannot be written.
    """
    model = to_unsigned(to_onnx(program)) if unsigned else to_onnx(program)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise FormatError(
            f'the ONNX model for "{path}" breaks a rule of ONNX; please report it: {error}'
        ) from error
    with replacing(Path(path)) as file:
        file.write(model.SerializeToString(deterministic=True))
