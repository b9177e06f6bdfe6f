"""Every architecture as a TFLite file: the reference's codes in LiteRT and TFLite Micro."""

import numpy as np
import pytest
import torch

from intact.errors import UnsupportedOpError
from intact.exec import reference
from intact.ir.boundary import code_boundary
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.verification import litert, tflm
from tests.architectures import ARCHITECTURES, Architecture
from tests.system.test_architectures import lowered

pytest.importorskip("tflite", reason="pip install 'intact[tflite]'")

# What TFLite has no operation for.
NO_OPERATION = {
    "vit_tiny": "QLayerNorm",
    "bert": "QLayerNorm",
    "conv1d_net": "QGroupNorm",
}


def codes_of(architecture: Architecture, program: Program) -> dict[str, Array]:
    """What the Program between codes reads, of inputs on which it was not calibrated."""
    example = architecture.example(torch.Generator().manual_seed(5))
    inputs = {v.name: x.numpy()[:1] for v, x in zip(program.inputs, example, strict=True)}
    return reference.load(code_boundary(program).before)(inputs)


@pytest.mark.parametrize("recipe", ["W8A8"])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_reference_kernels_and_tflite_micro_compute_the_same_codes(
    architecture: Architecture, recipe: str
) -> None:
    program = lowered(architecture, recipe).program
    core = code_boundary(program).program
    if architecture.name in NO_OPERATION:
        with pytest.raises(UnsupportedOpError, match=NO_OPERATION[architecture.name]):
            litert.load(core)
        return
    codes = codes_of(architecture, program)
    expected = reference.load(core)(codes)
    for run in (litert.load(core), tflm.load(core)):
        made = run(codes)
        for name, values in expected.items():
            np.testing.assert_array_equal(made[name], values)
