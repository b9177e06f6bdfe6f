"""Engines: a network as an ordinary function of a batch."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, overload

from intact.api.network import QuantizedNetwork, to_program
from intact.data.batch import as_array, blaming_indices, fit_inputs
from intact.exec.runner import Runner
from intact.ir.graph import Value
from intact.ir.int_ops import Program
from intact.model import QuantizedModel
from intact.numerics.arrays import Array

if TYPE_CHECKING:
    from typing import Self

    from torch import Tensor

    from intact.exec.native.engine import Memory, NativeEngine, StepTime

ExecutorName: TypeAlias = Literal["native", "reference", "onnxruntime", "litert"]
EXECUTORS: tuple[ExecutorName, ...] = ("native", "reference", "onnxruntime", "litert")
DEFAULT: ExecutorName = "native"
Run: TypeAlias = Callable[[tuple[Array, ...]], tuple[Array, ...]]


class SupportsDLPack(Protocol):
    """An array or tensor of any library, in the CPU's memory."""

    def __dlpack__(self) -> object:
        """The array as DLPack's capsule."""


class Engine:
    """Calls a network with arrays or tensors on the CPU; torch in gives torch, all else NumPy.

    One output is an array (N, ...), several are a tuple. Numbers of another type are converted to
    the network's; samples must have its shape and be finite. An engine may be called from several
    threads, whose calls then wait for each other; `with` closes it.
    """

    def __init__(
        self, inputs: Sequence[Value], run: Run, native: "NativeEngine | None" = None
    ) -> None:
        self.inputs = tuple(inputs)
        self._run = run
        self._native = native

    @overload
    def __call__(self, *batch: "Tensor") -> "Tensor | tuple[Tensor, ...]": ...
    @overload
    def __call__(self, *batch: Array | SupportsDLPack) -> Array | tuple[Array, ...]: ...
    def __call__(self, *batch: object) -> object:
        """The outputs of a batch: one argument for each input of the network.

        Arguments that are contiguous, of the network's type and in the CPU's memory are not copied.

        Raises:
            CalibrationError: if the batch does not fit the network's inputs.
            RuntimeError: if the engine is closed.
        """
        outputs = self.arrays([as_array(x) for x in batch])
        torch = sys.modules.get("torch")
        if torch is not None and any(isinstance(x, torch.Tensor) for x in batch):
            # The native engine's outputs are its caller's; others may be read-only, or an input.
            tensor = torch.tensor if self._native is None else torch.from_numpy
            tensors = tuple(tensor(array) for array in outputs)
            return tensors[0] if len(tensors) == 1 else tensors
        return outputs[0] if len(outputs) == 1 else outputs

    def arrays(self, batch: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs as a tuple, whatever their number."""
        fitted = fit_inputs(batch, self.inputs, "the batch")
        with blaming_indices(self.inputs, "the batch"):
            return self._run(fitted)

    def profile(self, *batch: "Array | Tensor | SupportsDLPack") -> "list[StepTime]":
        """The time that each step takes in one call, in order; of the native executor.

        Raises:
            CalibrationError: if the batch does not fit the network's inputs.
            ValueError: if this is another executor.
            RuntimeError: if the engine is closed.
        """
        native = self._of_native("times its steps")
        fitted = fit_inputs([as_array(x) for x in batch], self.inputs, "the batch")
        names = [value.name for value in self.inputs]
        with blaming_indices(self.inputs, "the batch"):
            return native.profile(dict(zip(names, fitted, strict=True)))

    @property
    def memory(self) -> "Memory":
        """The bytes that the native executor holds now.

        Raises:
            ValueError: if this is another executor.
        """
        return self._of_native("counts its memory").memory

    def close(self) -> None:
        """Waits for running calls and frees the memory; later calls raise."""
        self._run = _closed
        if self._native is not None:
            self._native.close()

    def __enter__(self) -> "Self":
        """The engine itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    def _of_native(self, what: str) -> "NativeEngine":
        if self._native is None:
            raise ValueError(f'only executor="native" {what}')
        return self._native


def _closed(_: tuple[Array, ...]) -> tuple[Array, ...]:
    raise RuntimeError("the engine is closed")


def compile(  # noqa: A001  # the field's word, and a method of no object
    network: QuantizedNetwork | QuantizedModel | Program,
    *,
    executor: ExecutorName = DEFAULT,
    threads: int = 1,
) -> Engine:
    """An engine that runs the network's integers.

    Args:
        network: What `quantize` or `load` gave.
        executor: "native" runs fast kernels, with the integers of the reference on every
            instruction set and any number of threads. "reference" is the slow interpreter that
            defines the integers. "onnxruntime" runs the exported ONNX network, whose integers may
            differ by one here and there (`verify` counts them); it needs onnx and onnxruntime.
            "litert" runs the exported TFLite file by LiteRT's reference kernels, sample by sample,
            with the reference's integers; it needs ai-edge-litert and tflite.
        threads: Of the native executor; the others choose for themselves.

    Raises:
        ValueError: if there is no such executor, or it does not take so many threads.
        UnsupportedOpError: if an operation has no native form, or none in ONNX or TFLite.
        ImportError: if the native engine is not built, or a package is missing.
    """
    program = to_program(network)
    if executor in EXECUTORS and executor != "native" and threads != 1:
        raise ValueError(f'threads={threads} is for executor="native"; {executor} takes none')
    match executor:
        case "native":
            return _native(program, threads)
        case "reference":
            from intact.exec import reference

            return Engine(program.inputs, _run_by_name(program, reference.load(program)))
        case "onnxruntime":
            from intact.api.ort import program_session

            return Engine(program.inputs, program_session(program))
        case "litert":
            from intact.verification import litert

            return Engine(program.inputs, _run_by_name(program, litert.load(program)))
        case _:
            raise ValueError(f'there is no executor "{executor}"; there are {", ".join(EXECUTORS)}')


def _run_by_name(program: Program, runner: Runner) -> Run:
    inputs = [value.name for value in program.inputs]
    outputs = [value.name for value in program.outputs]

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        made = runner(dict(zip(inputs, arrays, strict=True)))
        return tuple(made[name] for name in outputs)

    return run


def _native(program: Program, threads: int) -> Engine:
    from intact.exec.native import engine  # which an unbuilt source tree lacks

    native = engine.load(program, threads)
    return Engine(program.inputs, _run_by_name(program, native), native)
