"""Every architecture of integers as C, compiled here: the reference's codes."""

import shutil

import numpy as np
import pytest
import torch

import intact
from intact.exec import reference
from intact.ir.boundary import code_boundary
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.verification import compiled_c
from tests.architectures import ARCHITECTURES, MLPERF_TINY, Architecture

pytestmark = pytest.mark.skipif(
    all(shutil.which(name) is None for name in ("cc", "gcc", "clang")),
    reason="needs a C compiler: apt-get install gcc libc6-dev",
)
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror")
SANITIZED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
SMALL = ("cifar_resnet8", "ds_cnn", "unet", "bert", "conv1d_net")


def codes_of(architecture: Architecture, recipe: str) -> tuple[Program, dict[str, Array]]:
    """The network from codes to codes, and the codes of a batch of two."""
    example = architecture.example(torch.Generator().manual_seed(2))
    network = intact.quantize(architecture.build(), [example], example_input=example, recipe=recipe)
    cut = code_boundary(network.program)
    drawn = architecture.example(torch.Generator().manual_seed(5))
    inputs = {v.name: x.numpy() for v, x in zip(cut.before.inputs, drawn, strict=True)}
    return cut.program, reference.load(cut.before)(inputs)


@pytest.mark.parametrize(
    ("architecture", "recipe"),
    [
        (architecture, recipe)
        for architecture in dict.fromkeys((*ARCHITECTURES, *MLPERF_TINY))
        for recipe in ("W8A8", "W8A8-per-tensor", "W8A16", "W4A8")
        if recipe == "W8A8" or architecture.name in SMALL
    ],
    ids=lambda x: x if isinstance(x, str) else x.name,
)
def test_compiled_c_has_the_references_codes(architecture: Architecture, recipe: str) -> None:
    program, codes = codes_of(architecture, recipe)
    flags = (*STRICT, *SANITIZED) if architecture.name in SMALL else STRICT
    made = compiled_c.load(program, flags=flags)(codes)
    for name, expected in reference.load(program)(codes).items():
        assert made[name].dtype == expected.dtype
        np.testing.assert_array_equal(made[name], expected)
