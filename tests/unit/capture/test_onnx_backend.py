"""ONNX's own test cases for single operations: captured, they give the expected outputs.

The first input is the activation, and for arithmetic every input is; the others become
initializers. Shapes are fixed there, so the first axis is taken for the batch.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.test_case import TestCase

from intact.errors import FormatError, UnsupportedOpError
from intact.numerics.arrays import Array
from tests.unit.capture.onnx_models import load, run

_ALL_ACTIVATIONS = {"Add", "Concat", "MatMul", "Mul", "Sub", "Sum"}

# Operations and how many of their cases must be captured at least; the others mix the batch, are
# three-dimensional, integer or cubic, or read their statistics or masks.
_CAPTURED = {
    "Add": 1,
    "AveragePool": 13,
    "BatchNormalization": 2,
    "Clip": 9,
    "Concat": 12,
    "Conv": 6,
    "ConvTranspose": 9,
    "Dropout": 4,
    "Expand": 2,
    "Flatten": 9,
    "Gather": 2,
    "Gelu": 4,
    "Gemm": 8,
    "GlobalAveragePool": 2,
    "GlobalMaxPool": 2,
    "GroupNormalization": 2,
    "HardSigmoid": 3,
    "HardSwish": 1,
    "Identity": 2,
    "InstanceNormalization": 2,
    "LeakyRelu": 3,
    "MatMul": 2,
    "MaxPool": 12,
    "Mul": 2,
    "Neg": 2,
    "Pad": 3,
    "ReduceMean": 6,
    "ReduceSum": 8,
    "Relu": 1,
    "Reshape": 9,
    "Resize": 12,
    "Sigmoid": 2,
    "Slice": 5,
    "Softmax": 6,
    "Split": 5,
    "Squeeze": 1,
    "Sub": 2,
    "Sum": 3,
    "Tanh": 2,
    "Tile": 2,
    "Transpose": 7,
    "Unsqueeze": 7,
}


@pytest.fixture(scope="module")
def cases() -> dict[str, list[TestCase]]:
    """Cases of one node, by operation."""
    found: dict[str, list[TestCase]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx divides by zero to see what happens
        for case in collect_testcases(None):
            if case.model is not None and len(case.model.graph.node) == 1:
                found.setdefault(case.model.graph.node[0].op_type, []).append(case)
    return found


def _with_constants(case: TestCase, inputs: Sequence[Array]) -> tuple[onnx.ModelProto, list[int]]:
    """The model with all but its activations as initializers, and the activations' indices."""
    assert case.model is not None
    proto = onnx.ModelProto.FromString(case.model.SerializeToString())
    graph = proto.graph
    every = graph.node[0].op_type in _ALL_ACTIVATIONS
    activations = list(range(len(inputs))) if every else [0]
    for index, value in enumerate(graph.input):
        if index not in activations:
            graph.initializer.append(numpy_helper.from_array(inputs[index], value.name))
    return proto, activations


def _float_cases(
    cases: Sequence[TestCase],
) -> Iterator[tuple[TestCase, list[Array], list[Array]]]:
    for case in cases:
        for inputs, outputs in case.data_sets or ():
            arrays = [np.asarray(array) for array in inputs]
            if arrays and arrays[0].dtype.kind == "f" and "training" not in case.name:
                yield case, arrays, [np.asarray(array) for array in outputs]


@pytest.mark.parametrize(("op_type", "least"), _CAPTURED.items())
def test_cases_of(
    op_type: str, least: int, cases: dict[str, list[TestCase]], tmp_path: Path
) -> None:
    captured = 0
    for case, inputs, expected in _float_cases(cases[op_type]):
        proto, activations = _with_constants(case, inputs)
        try:
            graph = load(proto, tmp_path)
        except (UnsupportedOpError, FormatError):
            continue
        captured += 1
        given = {
            value.name: inputs[index].astype(value.dtype.storage)
            for value, index in zip(graph.inputs, activations, strict=True)
        }
        # Some expected values are written down with four digits; some are of half precision.
        for ours, theirs in zip(run(graph, given), expected, strict=True):
            assert ours.shape == theirs.shape, case.name
            tolerance = 2e-3 if theirs.dtype == np.float16 else 1e-4
            np.testing.assert_allclose(
                ours, theirs.astype(np.float32), rtol=tolerance, atol=tolerance, err_msg=case.name
            )
    assert captured >= least
