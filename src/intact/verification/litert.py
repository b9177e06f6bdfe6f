"""Programs and TFLite files in LiteRT, Google's runtime for phones and servers."""

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from intact.errors import VerifyError
from intact.exec.runner import Runner
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.verification.boundaries import through_file
from intact.verification.samples import SampleRunner, each

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter


def load(program: Program, *, reference_kernels: bool = True, threads: int = 1) -> Runner:
    """Runs a Program, from its inputs to its outputs, as the TFLite file that it exports to.

    Args:
        program: of real numbers, or of codes as `code_boundary` leaves them.
        reference_kernels: LiteRT's own definition of each operator; else what it runs by default,
            XNNPACK, which multiplies by floating-point scales.
        threads: of LiteRT.

    Raises:
        ImportError: if ai-edge-litert or the schema package is not installed.
        UnsupportedOpError: if the Program cannot be exported.
        VerifyError: if LiteRT refuses the file.
    """
    _require_runtime()  # first, as its extra has the schema as well

    def samples(data: bytes, _: Program) -> SampleRunner:
        return each(load_file(data, reference_kernels=reference_kernels, threads=threads))

    return through_file(program, samples)


def load_file(data: bytes, *, reference_kernels: bool = True, threads: int = 1) -> Runner:
    """Runs a TFLite file; inputs and outputs by the names of its signature, or of its tensors.

    Raises:
        ImportError: if ai-edge-litert is not installed.
        VerifyError: if LiteRT refuses the file.
    """
    interpreter = open_interpreter(data, reference_kernels, threads)
    inputs, outputs = _ends(interpreter)
    lock = Lock()  # an interpreter serves one thread at a time

    def run(arrays: Mapping[str, Array]) -> dict[str, Array]:
        with lock:
            try:
                for name, index in inputs.items():
                    interpreter.set_tensor(index, np.ascontiguousarray(arrays[name]))
                interpreter.invoke()
            except (RuntimeError, ValueError) as error:
                raise VerifyError(f"LiteRT cannot run the network: {error}") from error
            return {name: interpreter.get_tensor(index) for name, index in outputs.items()}

    return run


def open_interpreter(data: bytes, reference_kernels: bool, threads: int) -> "Interpreter":
    """LiteRT's own object for a TFLite file; raises as `load_file`."""
    _require_runtime()
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = OpResolverType.BUILTIN_REF if reference_kernels else OpResolverType.AUTO
    try:
        interpreter = Interpreter(
            model_content=data, experimental_op_resolver_type=kind, num_threads=threads
        )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise VerifyError(f"LiteRT refuses the TFLite file: {error}") from error
    return interpreter


def _require_runtime() -> None:
    try:
        import ai_edge_litert.interpreter  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "running a TFLite file needs ai-edge-litert: pip install 'intact[litert]'"
        ) from error


def _ends(interpreter: "Interpreter") -> tuple[dict[str, int], dict[str, int]]:
    """The numbers of input and output tensors, by name."""
    signatures: dict[str, dict[str, Any]] = interpreter._get_full_signature_list()
    if len(signatures) == 1:
        (signature,) = signatures.values()
        return signature["inputs"], signature["outputs"]
    details = interpreter.get_input_details(), interpreter.get_output_details()
    inputs, outputs = ({d["name"]: d["index"] for d in ends} for ends in details)
    return inputs, outputs
