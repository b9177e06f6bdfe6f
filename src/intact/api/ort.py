"""Networks in ONNX Runtime, on the CPU."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import onnxruntime

from intact.emit.onnx import to_onnx
from intact.errors import VerifyError
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array


def program_session(program: Program) -> Callable[[tuple[Array, ...]], tuple[Array, ...]]:
    """Runs a Program's ONNX form.

    Raises:
        UnsupportedOpError: if the Program cannot be exported.
        VerifyError: if ONNX Runtime refuses it.
    """
    return _session(to_onnx(program).SerializeToString())


def file_session(path: Path) -> Callable[[tuple[Array, ...]], tuple[Array, ...]]:
    """Runs an `.onnx` file.

    Raises:
        VerifyError: if ONNX Runtime refuses it.
    """
    return _session(str(path))


def _session(model: str | bytes) -> Callable[[tuple[Array, ...]], tuple[Array, ...]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    with _blaming_onnxruntime():
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        with _blaming_onnxruntime():
            return tuple(session.run(None, dict(zip(names, arrays, strict=True))))

    return run


@contextmanager
def _blaming_onnxruntime() -> Iterator[None]:
    """Its exceptions are C++'s, without a common Python class."""
    try:
        yield
    except Exception as error:
        raise VerifyError(f"ONNX Runtime cannot run the network: {error}") from error
