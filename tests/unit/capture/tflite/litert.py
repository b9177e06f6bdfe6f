"""TFLite's reference kernels, the oracle of every .tflite file."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from intact.capture.tflite import read
from intact.exec import native, reference
from intact.ir.boundary import CodeBoundary, code_boundary
from intact.numerics.arrays import Array, Codes
from tests.unit.capture.tflite.building import File

interpreters = pytest.importorskip(
    "ai_edge_litert.interpreter", reason="TFLite's kernels: pip install ai-edge-litert"
)


def litert(file: Path, *inputs: Codes) -> list[Codes]:
    """Codes of the file's outputs, sample by sample."""
    interpreter = interpreters.Interpreter(
        model_path=str(file),
        experimental_op_resolver_type=interpreters.OpResolverType.BUILTIN_REF,
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


def ours(file: Path, *inputs: Codes) -> dict[str, list[Codes]]:
    """The same of each executor."""
    cut = code_boundary(read(file))
    given = {
        port.stored.name: np.ascontiguousarray(x.transpose(port.axes))
        for port, x in zip(cut.inputs, inputs, strict=True)
    }
    executors = {"reference": reference.load, "native": native.load}
    return {name: _in_order(cut, load(cut.program)(given)) for name, load in executors.items()}


def _in_order(cut: CodeBoundary, outputs: Mapping[str, Array]) -> list[Codes]:
    return [outputs[port.stored.name].transpose(np.argsort(port.axes)) for port in cut.outputs]


def random_codes(rng: np.random.Generator, shape: Sequence[int], type: str) -> Codes:  # noqa: A002
    """Codes of the whole range."""
    if type == "int4":
        return rng.integers(-8, 8, shape, np.int8)
    limits = np.iinfo(type)
    return rng.integers(limits.min, limits.max, shape, type, endpoint=True)


def differences(file: File, rng: np.random.Generator, samples: int = 20) -> Array:
    """|code - LiteRT's code| of all outputs of all executors, at random inputs."""
    tensors = [file.tensors[index] for index in file.inputs]
    inputs = [random_codes(rng, (samples, *t.shape[1:]), t.type) for t in tensors]
    with tempfile.TemporaryDirectory() as folder:
        path = file.save(Path(folder) / "net.tflite")
        expected = litert(path, *inputs)
        found = ours(path, *inputs)
    return np.concatenate(
        [
            np.abs(a.astype(int) - b.astype(int)).ravel()
            for codes in found.values()
            for a, b in zip(codes, expected, strict=True)
        ]
    )


def assert_equal(file: File, rng: np.random.Generator, samples: int = 20) -> None:
    """Every code is LiteRT's."""
    found = differences(file, rng, samples)
    assert not found.any(), f"{np.count_nonzero(found)} of {found.size} codes differ"
