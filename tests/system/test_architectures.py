"""Every architecture goes the whole way: capture, calibrate, lower, execute in integers."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from intact.capture.export import capture
from intact.exec.reference import load
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.int_ops import Dequantize, Program, Quantize, QuantizedOp
from intact.ir.verify import verify
from intact.lower.lower import Lowered, lower_with_reasons
from intact.metrics import sqnr_db
from intact.numerics.formats import Float
from intact.ptq import quantize
from intact.recipes import recipe
from tests.architectures import ARCHITECTURES, Architecture

# Signal to noise in dB of the whole network's outputs. Deep networks with random weights amplify
# noise by up to 35 dB (float16 weights alone leave 28 dB of DeepLab), so these only catch what is
# grossly wrong; layer by layer, the comparison with ONNX Runtime is exact to one code.
FLOORS = {"W8A8": 2.0, "W8A16": 6.0, "float16": 25.0}


@cache
def captured(name: str) -> Graph[FloatOp]:
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    return capture(architecture.build(), architecture.example(torch.Generator().manual_seed(1)))


def lowered(architecture: Architecture, recipe_name: str) -> Lowered:
    batches = [architecture.example(torch.Generator().manual_seed(seed)) for seed in (2, 3)]
    # Better codes of the same formats take minutes to find, and are no other test.
    quick = replace(recipe(recipe_name), after=())
    return lower_with_reasons(quantize(captured(architecture.name), quick, batches))


def outputs(architecture: Architecture, program: Program) -> tuple[list[np.ndarray], ...]:
    """The network's own outputs and the Program's, on calibration data."""
    example = architecture.example(torch.Generator().manual_seed(2))
    with torch.no_grad():
        real = architecture.build()(*example)
    real = (real,) if isinstance(real, torch.Tensor) else tuple(real)
    names = [value.name for value in program.inputs]
    made = load(program)({n: x.numpy() for n, x in zip(names, example, strict=True)})
    return [x.numpy() for x in real], [made[value.name] for value in program.outputs]


@pytest.mark.parametrize("recipe_name", FLOORS)
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_the_program_computes_what_the_network_does(
    architecture: Architecture, recipe_name: str
) -> None:
    program = lowered(architecture, recipe_name).program
    for real, made in zip(*outputs(architecture, program), strict=True):
        assert made.shape == real.shape
        assert sqnr_db(made, real) > FLOORS[recipe_name]


@pytest.mark.parametrize("recipe_name", ["W8A8", "W8A16", "W4A8"])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_full_integer_recipes_leave_nothing_float(
    architecture: Architecture, recipe_name: str
) -> None:
    result = lowered(architecture, recipe_name)
    assert result.stays_float == {}
    verify(result.program, integer_only=True)
    for node in result.program.nodes:
        border = isinstance(node.op, Quantize | Dequantize)
        if isinstance(node.op, QuantizedOp) and not border:
            assert not isinstance(node.output.dtype, Float)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_codes_do_not_depend_on_how_a_batch_is_cut(architecture: Architecture) -> None:
    program = lowered(architecture, "W8A8").program
    run = load(program)
    example = [x.numpy() for x in architecture.example(torch.Generator().manual_seed(4))]
    names = [value.name for value in program.inputs]
    whole = run(dict(zip(names, example, strict=True)))
    parts = [
        run({n: x[i : i + 1] for n, x in zip(names, example, strict=True)})
        for i in range(len(example[0]))
    ]
    for name, array in whole.items():
        np.testing.assert_array_equal(np.concatenate([p[name] for p in parts]), array)
