"""TFLite's reference kernels, the oracle of every .tflite file."""

from pathlib import Path

import numpy as np
import pytest

from intact.capture.tflite import read
from intact.exec import reference
from intact.exec.native.engine import load
from intact.ir.boundary import code_boundary
from intact.numerics.arrays import Codes

interpreters = pytest.importorskip(
    "ai_edge_litert.interpreter", reason="TFLite's kernels: pip install ai-edge-litert"
)


def litert(file: Path | bytes, *inputs: Codes) -> list[Codes]:
    """Codes of the file's outputs, sample by sample."""
    source = {"model_content": file} if isinstance(file, bytes) else {"model_path": str(file)}
    interpreter = interpreters.Interpreter(
        **source, experimental_op_resolver_type=interpreters.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    outputs = []
    for sample in zip(*inputs, strict=True):
        for detail, x in zip(interpreter.get_input_details(), sample, strict=True):
            interpreter.set_tensor(detail["index"], x[None])
        interpreter.invoke()
        outputs.append(
            [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
        )
    return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


def ours(file: Path, *inputs: Codes) -> tuple[list[Codes], list[Codes]]:
    """The same of the reference and of the native executor."""
    program = code_boundary(read(file)).program
    given = {value.name: x for value, x in zip(program.inputs, inputs, strict=True)}
    names = [value.name for value in program.outputs]
    found = [run(given) for run in (reference.load(program), load(program))]
    return [found[0][name] for name in names], [found[1][name] for name in names]
