"""Engines: a network as an ordinary function of a batch."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from intact.api.network import QuantizedNetwork, to_program
from intact.data.batch import as_array, blaming_indices, fit_inputs
from intact.exec import reference
from intact.ir.graph import Value
from intact.ir.int_ops import Program
from intact.model import QuantizedModel
from intact.numerics.arrays import Array

if TYPE_CHECKING:
    from torch import Tensor

ExecutorName: TypeAlias = Literal["reference", "onnxruntime"]
EXECUTORS: tuple[ExecutorName, ...] = ("reference", "onnxruntime")
Run: TypeAlias = Callable[[tuple[Array, ...]], tuple[Array, ...]]


class Engine:
    """Calls a network with arrays or tensors and returns the same kind, on the CPU.

    One output is an array (N, ...), several are a tuple. Numbers of another type are converted to
    the network's; samples must have its shape and be finite.
    """

    def __init__(self, inputs: Sequence[Value], run: Run) -> None:
        self.inputs = tuple(inputs)
        self._run = run

    @overload
    def __call__(self, *batch: Array) -> Array | tuple[Array, ...]: ...
    @overload
    def __call__(self, *batch: "Tensor") -> "Tensor | tuple[Tensor, ...]": ...
    def __call__(self, *batch: object) -> object:
        """The outputs of a batch: one argument for each input of the network.

        Raises:
            CalibrationError: if the batch does not fit the network's inputs.
        """
        outputs = self.arrays([as_array(x) for x in batch])
        torch = sys.modules.get("torch")
        if torch is not None and any(isinstance(x, torch.Tensor) for x in batch):
            tensors = tuple(torch.tensor(array) for array in outputs)
            return tensors[0] if len(tensors) == 1 else tensors
        return outputs[0] if len(outputs) == 1 else outputs

    def arrays(self, batch: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs as a tuple, whatever their number."""
        fitted = fit_inputs(batch, self.inputs, "the batch")
        with blaming_indices(self.inputs, "the batch"):
            return self._run(fitted)


def compile(  # noqa: A001  # the field's word, and a method of no object
    network: QuantizedNetwork | QuantizedModel | Program, *, executor: ExecutorName = "reference"
) -> Engine:
    """An engine that runs the network's integers.

    Args:
        network: What `quantize` or `load` gave.
        executor: "reference" is the interpreter that defines the integers. "onnxruntime" runs the
            exported ONNX network, whose integers may differ by one here and there (`verify` counts
            them); it needs onnx and onnxruntime.

    Raises:
        ValueError: if there is no such executor.
        UnsupportedOpError: if the network cannot be exported for ONNX Runtime.
    """
    program = to_program(network)
    match executor:
        case "reference":
            runner = reference.load(program)

            def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
                names = [value.name for value in program.inputs]
                outputs = runner(dict(zip(names, arrays, strict=True)))
                return tuple(outputs[value.name] for value in program.outputs)

            return Engine(program.inputs, run)
        case "onnxruntime":
            from intact.api.ort import program_session

            return Engine(program.inputs, program_session(program))
        case _:
            raise ValueError(f'there is no executor "{executor}"; there are {", ".join(EXECUTORS)}')
