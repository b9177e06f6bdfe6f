"""Networks in ONNX Runtime, on the CPU."""

from collections.abc import Callable
from pathlib import Path

import onnxruntime

from intact.emit.onnx import to_onnx
from intact.errors import FormatError
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array


def program_session(program: Program) -> Callable[[tuple[Array, ...]], tuple[Array, ...]]:
    """Runs a Program's ONNX form.

    Raises:
        UnsupportedOpError: if the Program cannot be exported.
    """
    return _session(to_onnx(program).SerializeToString())


def file_session(path: Path) -> Callable[[tuple[Array, ...]], tuple[Array, ...]]:
    """Runs an `.onnx` file.

    Raises:
        FormatError: if ONNX Runtime refuses it.
    """
    return _session(str(path))


def _session(model: str | bytes) -> Callable[[tuple[Array, ...]], tuple[Array, ...]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions are C++'s, without a common Python class
        raise FormatError(f"ONNX Runtime refuses the network: {error}") from error
    names = [value.name for value in session.get_inputs()]

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(session.run(None, dict(zip(names, arrays, strict=True))))

    return run
