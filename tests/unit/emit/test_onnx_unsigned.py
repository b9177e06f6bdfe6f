"""Unsigned codes stand for the same real numbers."""

import numpy as np
import pytest
from onnx import TensorProto

from intact.emit.onnx import to_onnx, to_unsigned
from intact.ir.int_ops import Program
from intact.lower.lower import lower
from intact.numerics.formats import Int
from tests.contract.test_lower import CASES, Case, quantized
from tests.unit.emit.runtime import run
from tests.unit.emit.test_onnx_operations import sampled


def lowered(case: Case) -> tuple[Program, dict[str, np.ndarray]]:
    graph, inputs = sampled(case, last=False)
    return lower(quantized(graph, inputs, Int(8))), inputs


@pytest.mark.parametrize("case", CASES, ids=str)
def test_outputs_are_the_same(case: Case) -> None:
    program, inputs = lowered(case)
    model = to_onnx(program)
    expected, made = run(model, inputs), run(to_unsigned(model), inputs)
    for name, array in expected.items():
        np.testing.assert_array_equal(made[name], array)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_codes_at_boundaries_are_shifted(case: Case) -> None:
    program, inputs = lowered(case)
    model = to_onnx(program, boundaries=True)
    fed = dict(inputs)
    for entry in model.graph.input:
        if entry.type.tensor_type.elem_type == TensorProto.INT8:
            shape = [d.dim_value or 3 for d in entry.type.tensor_type.shape.dim]
            fed[entry.name] = np.arange(np.prod(shape)).reshape(shape).astype(np.int8)
    shifted = {
        n: (x.astype(np.int16) + 128).astype(np.uint8) if x.dtype == np.int8 else x
        for n, x in fed.items()
    }
    expected, made = run(model, fed), run(to_unsigned(model), shifted)
    for name, array in expected.items():
        same = array if array.dtype != np.int8 else (array.astype(np.int16) + 128).astype(np.uint8)
        np.testing.assert_array_equal(made[name], same)
