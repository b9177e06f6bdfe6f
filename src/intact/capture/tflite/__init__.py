"""A full-integer .tflite file as a Program whose codes are those of TFLite's reference kernels."""

from pathlib import Path

from intact.errors import FormatError, UnsupportedOpError, VerifyError
from intact.ir.int_ops import Program
from intact.ir.verify import verify

try:
    from intact.capture.tflite.builder import Builder
    from intact.capture.tflite.file import read_network
    from intact.capture.tflite.translate import translate
except ModuleNotFoundError as error:
    if error.name not in ("tflite", "flatbuffers"):
        raise
    raise ImportError(
        "reading a TFLite file needs its schema: pip install 'intact[tflite]'"
    ) from error

__all__ = ["read"]


def read(path: Path) -> Program:
    """The network in a .tflite file of 8- or 16-bit integers.

    The Program takes real numbers in the file's own layout (N, H, W, C) and quantizes them with the
    file's parameters, and gives real numbers back; between, `code_boundary` finds the integers of
    the file. The batch, of size 1 in the file, is free. Inputs and outputs have the names of the
    file's signature, other values those of its tensors; of names that a converter joined with
    semicolons, the first.

    Raises:
        FormatError: if the file is not TFLite, truncated, or damaged.
        UnsupportedOpError: for an operator, a type or a shape that intact has no integers for.
        FileNotFoundError: if there is no such file.
    """
    try:
        net = Builder(read_network(path))
        for operator in net.network.operators:
            translate(net, operator)
        program = net.program()
    except (FormatError, UnsupportedOpError) as error:
        raise type(error)(f"{path}: {error}") from None
    try:
        verify(program)
    except VerifyError as error:
        raise UnsupportedOpError(f"{path} holds what intact cannot express: {error}") from None
    return program
