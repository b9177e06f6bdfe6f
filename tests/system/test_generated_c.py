"""Every architecture of integers as C: the reference's codes, and what they take of a device."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import intact
from intact.api.c_sources import export_c
from intact.exec import reference
from intact.ir.boundary import code_boundary
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.verification import compiled_c
from tests.architectures import ARCHITECTURES, MLPERF_TINY, Architecture
from tests.unit.emit.c.compiling import SANITIZED, STRICT, needs_compiler

SMALL = ("cifar_resnet8", "ds_cnn", "unet", "bert", "conv1d_net")
ARM = ("-mthumb", "-mfloat-abi=soft", "-std=c99", "-Os", *STRICT)
needs_arm = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None,
    reason="no arm-none-eabi-gcc: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
)


def quantized(architecture: Architecture, recipe: str) -> Program:
    example = architecture.example(torch.Generator().manual_seed(2))
    network = architecture.build()
    return intact.quantize(network, [example], example_input=example, recipe=recipe).program


def codes_of(architecture: Architecture, before: Program) -> dict[str, Array]:
    """The codes of a batch of two."""
    drawn = architecture.example(torch.Generator().manual_seed(5))
    inputs = {v.name: x.numpy() for v, x in zip(before.inputs, drawn, strict=True)}
    return reference.load(before)(inputs)


@needs_compiler
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
    cut = code_boundary(quantized(architecture, recipe))
    codes = codes_of(architecture, cut.before)
    flags = (*STRICT, *SANITIZED) if architecture.name in SMALL else STRICT
    made = compiled_c.load(cut.program, flags=flags)(codes)
    for name, expected in reference.load(cut.program)(codes).items():
        assert made[name].dtype == expected.dtype
        np.testing.assert_array_equal(made[name], expected)


@needs_arm
@pytest.mark.parametrize("architecture", MLPERF_TINY, ids=lambda a: a.name)
def test_a_microcontroller_has_room(architecture: Architecture, tmp_path: Path) -> None:
    found = export_c(quantized(architecture, "W8A8"), tmp_path / "net_c")
    plain, dsp = (
        text_of(compiled_for_arm(tmp_path / "net_c", processor))
        for processor in ("cortex-m3", "cortex-m4")
    )
    assert plain <= dsp <= 1.15 * found.weights + 24_000
    assert abs(dsp - found.flash) <= 0.02 * dsp  # what the report says
    assert found.ram <= 1.05 * found.lower_bound


@needs_arm
@pytest.mark.parametrize(("name", "recipe"), [("unet", "W8A8"), ("bert", "W8A16")])
def test_nothing_is_linked_but_copying_and_integer_arithmetic(
    name: str, recipe: str, tmp_path: Path
) -> None:
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    export_c(quantized(architecture, recipe), tmp_path / "net_c")
    program = compiled_for_arm(tmp_path / "net_c", "cortex-m4")
    listed = subprocess.check_output(["arm-none-eabi-nm", "-u", program], text=True)
    missing = set(listed.replace("U", "").split()) - {"memcpy", "memset"}
    assert all(re.fullmatch(r"__aeabi_(u?i|u?l)\w+", name) for name in missing)


def compiled_for_arm(folder: Path, processor: str) -> Path:
    """model.c without floating-point registers."""
    subprocess.run(
        ["arm-none-eabi-gcc", f"-mcpu={processor}", *ARM, "-c", "model.c", "-o", "model.o"],
        cwd=folder, check=True,
    )  # fmt: skip
    return folder / "model.o"


def text_of(program: Path) -> int:
    """Bytes of code and constants."""
    listed = subprocess.check_output(["arm-none-eabi-size", program], text=True)
    return int(listed.splitlines()[1].split()[0])
