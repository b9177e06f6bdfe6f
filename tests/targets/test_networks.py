"""Generated C of whole networks gives the reference's codes on every microcontroller."""

import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from intact.passes.fit_ram import fit_ram
from tests.architectures import ARCHITECTURES, MLPERF_TINY
from tests.targets import boards, networks
from tests.targets.boards import Board
from tests.targets.networks import Case

ROOT = Path(__file__).resolve().parent.parent.parent
# Of no use to integers, or no part of a firmware's static memory.
FOREIGN = re.compile(
    r"__aeabi_[fd].*|__aeabi_.*2[fd]|__(add|sub|mul|div)[sd]f3|__(float|fix).*"
    r"|_?(malloc|calloc|realloc|free|printf|puts|fopen|sbrk)(_r)?"
)


@cache
def case_of(name: str, recipe: str) -> Case:
    """A network, and two samples that calibration has not seen."""
    if name == "digits":
        return _digits(recipe)
    architecture = next(a for a in (*MLPERF_TINY, *ARCHITECTURES) if a.name == name)
    example = networks.example_of(architecture.example, 2)
    samples = networks.example_of(architecture.example, 5)
    return networks.case(architecture.build(), example, recipe, *samples)


def _digits(recipe: str) -> Case:
    """The network of examples/digits with its trained weights."""
    sys.path.insert(0, str(ROOT / "examples" / "digits"))
    try:
        from data import load_calibration, load_test
        from network import DigitsNet
        from safetensors.torch import load_file
    finally:
        sys.path.pop(0)
    model = DigitsNet()
    model.load_state_dict(load_file(ROOT / "examples" / "digits" / "digits.safetensors"))
    example = (load_calibration(64),)
    return networks.case(model.eval(), example, recipe, load_test().images[:8])


def check(name: str, recipe: str, board: Board, folder: Path, *flags: str) -> None:
    if missing := board.missing():
        pytest.skip(missing)
    check_case(case_of(name, recipe), board, folder, *flags)


def check_case(case: Case, board: Board, folder: Path, *flags: str) -> None:
    program = networks.build(case, board, folder, *flags)
    measured = networks.run(board, program)
    assert measured.codes.tobytes() == case.expected.tobytes()
    assert measured.self_test == 0
    symbols = [line.split()[-1] for line in board.tool("nm", str(program)).splitlines()]
    assert "model_run" in symbols
    assert [name for name in symbols if FOREIGN.fullmatch(name)] == []


@pytest.mark.parametrize("board", boards.ALL, ids=lambda board: board.processor)
@pytest.mark.parametrize("name", ["digits", *(a.name for a in MLPERF_TINY)])
def test_codes_are_the_references(name: str, board: Board, tmp_path: Path) -> None:
    check(name, "W8A8", board, tmp_path, "-O2")


@pytest.mark.parametrize(
    ("name", "board"),
    [
        ("yolo", boards.CORTEX_M7),
        ("conv1d_net", boards.CORTEX_M55),
        ("bert", boards.RISCV32),
    ],
    ids=lambda value: value if isinstance(value, str) else value.processor,
)
def test_codes_of_other_networks_are_the_references(
    name: str, board: Board, tmp_path: Path
) -> None:
    check(name, "W8A8", board, tmp_path, "-O2")


@pytest.mark.parametrize("recipe", ["W8A8-per-tensor", "W8A16", "W4A8"])
def test_codes_of_other_formats_are_the_references(recipe: str, tmp_path: Path) -> None:
    check("ds_cnn", recipe, boards.CORTEX_M4, tmp_path, "-Os")


def test_codes_without_the_dsp_instructions_are_the_references(tmp_path: Path) -> None:
    check("digits", "W8A8", boards.CORTEX_M4, tmp_path, "-O2", "-DINTACT_NO_DSP")


def test_codes_in_bands_of_rows_are_the_references(tmp_path: Path) -> None:
    if missing := boards.CORTEX_M4.missing():
        pytest.skip(missing)
    case = case_of("cifar_resnet8", "W8A8")
    fitted = fit_ram(case.program, 32768)
    assert fitted.bands > 1
    check_case(replace(case, program=fitted.program), boards.CORTEX_M4, tmp_path, "-O2")


def test_a_board_that_cannot_run_names_the_packages() -> None:
    absent = Board("none", "none", "no-such-", (), (), "none.ld", ("no-such-qemu",), ("a", "b"))
    assert absent.missing() == "no no-such-gcc and no no-such-qemu: apt-get install a b"
