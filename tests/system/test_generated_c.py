"""Networks of integers as C: the reference's codes, and what they take of a device."""

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

ARM = ("-mthumb", "-mfloat-abi=soft", "-std=c99", "-Os", *STRICT)
needs_arm = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None,
    reason="no arm-none-eabi-gcc: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
)


def quantized(architecture: Architecture, recipe: str) -> Program:
    example = architecture.example(torch.Generator().manual_seed(2))
    network = architecture.build()
    return intact.quantize(network, [example], example_input=example, recipe=recipe).program


def sample(architecture: Architecture, program: Program) -> dict[str, Array]:
    """A batch of two that calibration has not seen."""
    drawn = architecture.example(torch.Generator().manual_seed(5))
    return {v.name: x.numpy() for v, x in zip(program.inputs, drawn, strict=True)}


def check_compiled_c(
    program: Program, inputs: dict[str, Array], flags: tuple[str, ...] = STRICT
) -> None:
    """The network's compiled C gives the reference's codes."""
    cut = code_boundary(program)
    codes = reference.load(cut.before)(inputs)
    made = compiled_c.load(cut.program, flags=flags)(codes)
    for name, expected in reference.load(cut.program)(codes).items():
        assert made[name].dtype == expected.dtype
        np.testing.assert_array_equal(made[name], expected)


@needs_compiler
@pytest.mark.parametrize("recipe", ["W8A8", "W8A8-per-tensor", "W8A16", "W4A8"])
@pytest.mark.parametrize("name", ["ds_cnn", "unet", "bert", "conv1d_net"])
def test_compiled_c_has_the_references_codes(name: str, recipe: str) -> None:
    """Of all architectures, `test_native` looks at C too."""
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    program = quantized(architecture, recipe)
    flags = (*STRICT, *SANITIZED) if recipe == "W8A8" else STRICT
    check_compiled_c(program, sample(architecture, program), flags)


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
