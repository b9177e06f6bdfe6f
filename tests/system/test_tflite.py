"""Every architecture as a TFLite file: the reference's codes in LiteRT and TFLite Micro.

LiteRT's are compared layer by layer, TFLite Micro's where the network ends, since it plans memory
anew for each set of outputs.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from intact.errors import UnsupportedOpError, VerifyError
from intact.exec import native, reference
from intact.ir.boundary import code_boundary
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from tests.architectures import ARCHITECTURES, Architecture
from tests.system.test_architectures import lowered

pytest.importorskip("tflite", reason="pip install 'intact[tflite]'")
pytest.importorskip("ai_edge_litert", reason="pip install 'intact[litert]'")

from intact.capture.tflite import read
from intact.emit.tflite import codes_to_bytes
from intact.verification import litert, tflm

RECIPES = ["W8A8", "W8A8-per-tensor", "W8A16", "W4A8"]
# TFLite has no operation for these, and so no file holds the network.
NO_OPERATION = {
    "vit_tiny": "QLayerNorm",
    "bert": "QLayerNorm",
    "conv1d_net": "QGroupNorm",
}
# What TensorFlow Lite Micro has for int8 alone.
NO_MICRO_KERNEL = {
    ("mobilenet_v3_small", "W8A16"): "gather",  # tables of hard-swish and hard-sigmoid
    ("efficientnet_b0", "W8A16"): "gather",  # and of SiLU
    ("yolo", "W8A16"): "gather",
    ("deeplab_v3", "W8A16"): "RESIZE_BILINEAR",
}
# Starting a process for each network takes time: where the recipe changes little, some do.
IN_MICRO = {"cifar_resnet20", "mobilenet_v2", "unet", "ds_cnn", "autoencoder"}


def codes_of(architecture: Architecture, program: Program) -> dict[str, Array]:
    """What the Program between codes reads, of inputs on which it was not calibrated."""
    example = architecture.example(torch.Generator().manual_seed(5))
    inputs = {v.name: x.numpy() for v, x in zip(program.inputs, example, strict=True)}
    return reference.load(code_boundary(program).before)(inputs)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    "architecture", [a for a in ARCHITECTURES if a.name not in NO_OPERATION], ids=lambda a: a.name
)
def test_reference_kernels_and_tflite_micro_compute_the_same_codes(
    architecture: Architecture, recipe: str, tmp_path: Path
) -> None:
    program = lowered(architecture, recipe).program
    core = code_boundary(program).program
    codes = codes_of(architecture, program)
    layers = replace(core, outputs=tuple(node.output for node in core.nodes))
    expected = reference.load(layers)(codes)
    made = litert.load(layers)(codes)
    for name, values in expected.items():
        np.testing.assert_array_equal(made[name], values, err_msg=name)
    if recipe == "W8A8" or architecture.name in IN_MICRO:
        for made in (intact_reads(core, codes, tmp_path / "net.tflite"), micro(core)(codes)):
            for name, values in made.items():
                np.testing.assert_array_equal(values, expected[name], err_msg=name)
    elif (architecture.name, recipe) in NO_MICRO_KERNEL:
        with pytest.raises(VerifyError, match=NO_MICRO_KERNEL[architecture.name, recipe]):
            micro(core)(codes)


def intact_reads(core: Program, codes: dict[str, Array], path: Path) -> dict[str, Array]:
    """What intact computes from the file: the values of `core`, by name."""
    path.write_bytes(codes_to_bytes(core))
    cut = code_boundary(read(path))
    given = {
        port.stored.name: codes[value.name].transpose(port.axes)
        for port, value in zip(cut.inputs, core.inputs, strict=True)
    }
    made = native.load(cut.program)(given)
    return {
        value.name: made[port.stored.name].transpose(np.argsort(port.axes))
        for port, value in zip(cut.outputs, core.outputs, strict=True)
    }


def micro(program: Program) -> reference.Runner:
    pytest.importorskip("tflite_micro", reason="pip install 'intact[tflm]'")
    return tflm.load(program)


@pytest.mark.parametrize("name", NO_OPERATION)
def test_networks_with_layers_that_tflite_lacks_are_refused_by_name(name: str) -> None:
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    with pytest.raises(UnsupportedOpError, match=f'{NO_OPERATION[name]} ".*onnx'):
        litert.load(lowered(architecture, "W8A8").program)


@pytest.mark.parametrize("name", ["cifar_resnet20", "ds_cnn", "autoencoder"])
def test_xnnpack_stays_within_a_few_codes(name: str) -> None:
    """It multiplies by floats: a code may round to the next, from layer to layer."""
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    program = lowered(architecture, "W8A8").program
    core = code_boundary(program).program
    codes = codes_of(architecture, program)
    expected = reference.load(core)(codes)
    for key, made in litert.load(core, reference_kernels=False)(codes).items():
        differences = np.abs(made.astype(int) - expected[key])
        print(f"{name}: equal {(differences == 0).mean():.2%}, at most {differences.max()}")
        assert differences.max() <= 8


# Dynamic range: LiteRT's convolutions quantize what they read in another way.
TOLERANCES = {"float16": 1e-4, "W4-g32": 1e-4, "dynamic-int8": 0.3}


@pytest.mark.parametrize("recipe", TOLERANCES)
@pytest.mark.parametrize("name", ["unet", "bert", "conv1d_net"])
def test_networks_in_real_numbers_are_close(name: str, recipe: str) -> None:
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    program = lowered(architecture, recipe).program
    drawn = architecture.example(torch.Generator().manual_seed(5))
    inputs = {v.name: x.numpy() for v, x in zip(program.inputs, drawn, strict=True)}
    made = litert.load(program)(inputs)
    for key, values in reference.load(program)(inputs).items():
        assert np.abs(made[key] - values).max() <= TOLERANCES[recipe] * np.abs(values).max()
