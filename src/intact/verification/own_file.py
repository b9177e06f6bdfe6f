"""A .tflite file of which intact read a Program, in LiteRT: the file itself, not what is exported.

Its reference kernels are the oracle of reading. They promise the Program's codes but for layers
that they compute in float64 (doc/tflite.md), so that differences are counted and no error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from intact.errors import UnsupportedOpError, VerifyError
from intact.exec import reference
from intact.exec.runner import Runner
from intact.ir.boundary import code_boundary
from intact.ir.graph import Value, with_batch
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.verification.samples import by_samples, each


@dataclass(frozen=True, slots=True)
class OwnFile:
    """LiteRT's reference kernels on the file at `path`."""

    path: Path
    name: ClassVar[str] = "litert"
    exact: ClassVar[bool] = False

    @property
    def setting(self) -> str:
        """Which file."""
        return f"{self.path.name} itself"

    def load(self, program: Program) -> Runner:
        """The file, on the inputs of the Program that was read from it."""
        from intact.verification import litert

        interpreter = litert.open_interpreter(self.path.read_bytes(), True, 1)
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        boundary = code_boundary(program)
        shapes = [tuple(detail["shape"]) for detail in outputs]
        wanted = [with_batch(value.shape, 1) for value in program.outputs]
        if len(inputs) != len(program.inputs) or shapes != wanted:
            raise UnsupportedOpError(f"{self.path} has other inputs or outputs than the network")
        before = reference.load(boundary.before)

        def run(arrays: Mapping[str, Array]) -> dict[str, Array]:
            codes = before(arrays)
            try:
                for port, detail in zip(boundary.inputs, inputs, strict=True):
                    stored = codes[port.stored.name].transpose(np.argsort(port.axes))
                    real = detail["dtype"] == np.float32
                    given = arrays[port.user.name] if real else stored
                    interpreter.set_tensor(detail["index"], np.ascontiguousarray(given))
                interpreter.invoke()
            except (RuntimeError, ValueError) as error:
                raise VerifyError(f"LiteRT cannot run {self.path}: {error}") from error
            return {
                value.name: _codes(interpreter.get_tensor(detail["index"]), value)
                for value, detail in zip(program.outputs, outputs, strict=True)
            }

        return by_samples(each(run), program.inputs, program.outputs)


def _codes(array: Array, value: Value) -> Array:
    """Codes, also of an output that the file dequantizes."""
    is_code = array.dtype == value.dtype.storage
    return array if is_code or value.params is None else value.params.quantize(array)
