"""Exported C that calls CMSIS-NN: its signatures, and stand-ins for its functions.

No package has the library itself, so these tests show what is asked of it, not what it computes.
"""

from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch

import intact
from intact.emit import c
from intact.emit.c import Kernels
from intact.exec import reference
from intact.ir.boundary import code_boundary
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.passes.fit_ram import fit_ram
from intact.verification import compiled_c
from tests.architectures import ARCHITECTURES, MLPERF_TINY
from tests.targets import boards, networks
from tests.targets.boards import Board
from tests.targets.stand_in import FLAGS, FOLDER, SOURCE
from tests.targets.test_networks import case_of
from tests.unit.emit.c.compiling import needs_compiler


@cache
def codes_of(name: str, recipe: str) -> tuple[Program, dict[str, Array]]:
    """A network from codes to codes, and the codes of a batch of two."""
    architecture = next(a for a in (*MLPERF_TINY, *ARCHITECTURES) if a.name == name)
    example = architecture.example(torch.Generator().manual_seed(2))
    network = intact.quantize(architecture.build(), [example], example_input=example, recipe=recipe)
    cut = code_boundary(network.program)
    drawn = architecture.example(torch.Generator().manual_seed(5))
    inputs = {v.name: x.numpy() for v, x in zip(cut.before.inputs, drawn, strict=True)}
    return cut.program, reference.load(cut.before)(inputs)


def check(program: Program, codes: dict[str, Array], *flags: str) -> None:
    made = compiled_c.load(program, flags=(*FLAGS, *flags), kernels=Kernels.CMSIS_NN)(codes)
    for name, expected in reference.load(program)(codes).items():
        np.testing.assert_array_equal(made[name], expected)


@needs_compiler
@pytest.mark.parametrize(
    ("name", "recipe", "processor"),
    [
        ("ds_cnn", "W8A8", "-DSTAND_IN_DSP"),
        ("ds_cnn", "W4A8", "-DSTAND_IN_MVE"),
        ("cifar_resnet8", "W8A8-per-tensor", "-DSTAND_IN_MVE"),
        ("autoencoder", "W8A8", "-DSTAND_IN_MVE"),
        ("bert", "W8A8", "-DSTAND_IN_DSP"),
        ("conv1d_net", "W8A8", "-DSTAND_IN_MVE"),
    ],
)
def test_calls_give_the_references_codes(name: str, recipe: str, processor: str) -> None:
    check(*codes_of(name, recipe), processor)


@needs_compiler
def test_bands_of_rows_give_the_references_codes() -> None:
    program, codes = codes_of("ds_cnn", "W8A8")
    size = c.report(c.translate(program, Kernels.CMSIS_NN)).ram
    fitted = fit_ram(program, size - 2000, partial(c.plan_storage, kernels=Kernels.CMSIS_NN))
    assert fitted.bands > 1
    check(fitted.program, codes, "-DSTAND_IN_MVE")


@needs_compiler
def test_a_version_that_needs_more_scratch_memory_is_not_given_too_little() -> None:
    program, codes = codes_of("ds_cnn", "W8A8")
    flags = (*FLAGS, "-DSTAND_IN_MORE=8000")
    with pytest.raises(RuntimeError, match="scratch memory"):
        compiled_c.load(program, flags=flags, kernels=Kernels.CMSIS_NN)(codes)


@pytest.mark.parametrize(
    ("board", "processor"),
    [(boards.CORTEX_M4, "-DSTAND_IN_DSP"), (boards.CORTEX_M55, "-DSTAND_IN_MVE")],
    ids=lambda value: value.processor if isinstance(value, Board) else "",
)
def test_a_microcontroller_gives_the_references_codes(
    board: Board, processor: str, tmp_path: Path
) -> None:
    if missing := board.missing():
        pytest.skip(missing)
    case = case_of("ds_cnn", "W8A8")
    flags = ("-O2", f"-I{FOLDER}", str(SOURCE), processor)
    program = networks.build(case, board, tmp_path, *flags, kernels=Kernels.CMSIS_NN)
    measured = networks.run(board, program)
    assert measured.codes.tobytes() == case.expected.tobytes()
    assert measured.self_test == 0
