import numpy as np
import pytest
import torch

import intact
from intact.exec import reference
from intact.ir import verify
from intact.ir.boundary import code_boundary
from intact.ir.int_ops import Dequantize, Program, Quantize
from intact.numerics.arrays import Array
from intact.numerics.formats import Float
from tests.architectures import ARCHITECTURES, Architecture


def quantized(architecture: Architecture, recipe: str) -> tuple[Program, dict[str, Array]]:
    example = architecture.example(torch.Generator().manual_seed(1))
    network = intact.quantize(architecture.build(), [example], example_input=example, recipe=recipe)
    names = [value.name for value in network.program.inputs]
    return network.program, {n: x.numpy() for n, x in zip(names, example, strict=True)}


SMALL = [
    a for a in ARCHITECTURES if a.name in ("ds_cnn", "autoencoder", "unet", "bert", "conv1d_net")
]


@pytest.mark.parametrize("recipe", ["W8A8", "W8A16", "dynamic-int8", "float16"])
@pytest.mark.parametrize("architecture", SMALL, ids=lambda a: a.name)
def test_the_three_parts_are_the_program(architecture: Architecture, recipe: str) -> None:
    program, inputs = quantized(architecture, recipe)
    cut = code_boundary(program)
    for part in (cut.before, cut.program, cut.after):
        if part.nodes:
            verify.verify(part)
    codes = reference.load(cut.before)(inputs)
    made = reference.load(cut.after)(reference.load(cut.program)(codes))
    for name, expected in reference.load(program)(inputs).items():
        np.testing.assert_array_equal(made[name], expected)


@pytest.mark.parametrize("architecture", SMALL, ids=lambda a: a.name)
def test_between_the_borders_there_are_only_integers(architecture: Architecture) -> None:
    program, _ = quantized(architecture, "W8A8")
    cut = code_boundary(program)
    for node in cut.program.nodes:
        assert not isinstance(node.op, Quantize | Dequantize)
        assert not isinstance(node.output.dtype, Float)


def test_ports_say_how_the_axes_lie() -> None:
    unet = next(a for a in SMALL if a.name == "unet")
    cut = code_boundary(quantized(unet, "W8A8")[0])
    (port,) = cut.inputs
    assert port.axes == (0, 2, 3, 1)
    assert port.user.shape == (-1, 3, 48, 48)
    assert port.stored.shape == (-1, 48, 48, 3)
    assert port.stored.params is not None
    assert cut.outputs[0].axes == (0, 2, 3, 1)
