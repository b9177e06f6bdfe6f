"""Programs and TFLite files in TensorFlow Lite Micro, Google's runtime for microcontrollers.

It runs in a process of its own, since it ends the process where it meets what it cannot run. Arrays
travel as .npy files.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from intact.errors import UnsupportedOpError, VerifyError
from intact.exec.runner import Runner
from intact.ir.boundary import code_boundary
from intact.ir.graph import with_batch
from intact.ir.int_ops import Program, QLinear, QSoftmax16
from intact.numerics.arrays import Array
from intact.verification.boundaries import tflite_bytes, through_file
from intact.verification.samples import Arrays, SampleRunner

ARENA = 64 << 20  # bytes; memory that is not used costs nothing
_WORKER = Path(__file__).with_name("tflm_process.py")
_SECONDS = 600
_PART = re.compile(r"Arena allocation (head|tail) (\d+) bytes")


@dataclass(frozen=True, slots=True)
class Arena:
    """Bytes of memory that a file needs in TensorFlow Lite Micro, on this computer."""

    activations: int
    persistent: int  # what its kernels keep between calls

    @property
    def total(self) -> int:
        """Both."""
        return self.activations + self.persistent


@dataclass(frozen=True, slots=True)
class MicroFile:
    """A TFLite file, and the names of its inputs and outputs in their order."""

    data: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def run(self, samples: Sequence[Arrays]) -> tuple[list[dict[str, Array]], str]:
        """The outputs of single samples, and what TensorFlow Lite Micro printed.

        Raises:
            ImportError: if tflite-micro is not installed.
            VerifyError: if TensorFlow Lite Micro cannot run the file.
        """
        _require_runtime()
        with TemporaryDirectory(prefix="intact-tflm-") as name:
            folder = Path(name)
            (folder / "model.tflite").write_bytes(self.data)
            for index, key in enumerate(self.inputs):
                np.save(folder / f"input.{index}.npy", np.stack([s[key] for s in samples]))
            log = _process(folder, len(self.outputs))
            made = [
                np.load(folder / f"output.{index}.npy", allow_pickle=False)
                for index in range(len(self.outputs))
            ]
        return [dict(zip(self.outputs, one, strict=True)) for one in zip(*made, strict=True)], log


def _require_runtime() -> None:
    if find_spec("tflite_micro") is None:
        raise ImportError(
            "running a TFLite file as a microcontroller does needs tflite-micro:"
            " pip install 'intact[tflm]'"
        )


def _process(folder: Path, outputs: int) -> str:
    """Runs the worker; returns what it printed."""
    # -P: or this folder's onnxruntime.py would be found instead of the package.
    command = [sys.executable, "-P", str(_WORKER), str(folder), str(ARENA)]
    try:
        done = subprocess.run(
            [*command, str(outputs)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise VerifyError(
            f"TensorFlow Lite Micro did not finish in {_SECONDS} s; give it fewer samples"
        ) from error
    if done.returncode:
        reasons = done.stdout.partition("Traceback")[0].split("\n")
        reasons = [line.strip() for line in reasons if line.strip()][-3:]
        raise VerifyError(
            "TensorFlow Lite Micro cannot run the network: "
            + ("; ".join(reasons) or f"its process ended with {done.returncode}")
        )
    return done.stdout


def read_arena(log: str) -> Arena:
    """The arena's use, of what `MicroFile.run` says was printed."""
    parts = {name: int(count) for name, count in _PART.findall(log)}
    if parts.keys() != {"head", "tail"}:
        raise VerifyError("this TensorFlow Lite Micro does not print its arena as intact reads it")
    return Arena(parts["head"], parts["tail"])


def load(program: Program) -> Runner:
    """Runs a Program, from its inputs to its outputs, as the TFLite file that it exports to.

    Raises:
        ImportError: if tflite-micro or the schema package is not installed.
        UnsupportedOpError: if the Program cannot be exported, or other integers would come out.
    """
    _require_runtime()  # first, as its extra has the schema as well

    def samples(data: bytes, core: Program) -> SampleRunner:
        _check_integers(core)
        file = _file(data, core)
        return lambda batch: file.run(batch)[0]

    return through_file(program, samples)


def _check_integers(core: Program) -> None:
    """Refuses what LiteRT computes with our integers, and TensorFlow Lite Micro with others."""
    for node in core.nodes:
        if isinstance(node.op, QSoftmax16):
            raise UnsupportedOpError(
                f'QSoftmax16 "{node.name}" reads TFLite\'s tables; those of TensorFlow Lite Micro'
                " have other entries"
            )
        if isinstance(node.op, QLinear):
            requant = node.op.requant
            if ((requant.shift == 0) & (requant.multiplier < 1 << 30)).any():
                raise UnsupportedOpError(
                    f'QLinear "{node.name}" rounds its sums once, as FULLY_CONNECTED does in'
                    " LiteRT; TensorFlow Lite Micro rounds them twice"
                )


def measure_arena(program: Program) -> Arena:
    """The memory that the Program's TFLite file needs; raises as `load` and when it is run."""
    core = code_boundary(program).program
    zeros = {v.name: np.zeros(with_batch(v.shape, 1), v.dtype.storage) for v in core.inputs}
    return read_arena(_file(tflite_bytes(core), core).run([zeros])[1])


def _file(data: bytes, program: Program) -> MicroFile:
    inputs, outputs = (
        tuple(value.name for value in values) for values in (program.inputs, program.outputs)
    )
    return MicroFile(data, inputs, outputs)
