"""The portable kernels give the same codes on every target, with SIMD and without."""

from pathlib import Path

import pytest

from tests.targets import boards
from tests.targets.boards import Board

PROGRAM = boards.HERE / "programs" / "layers.c"
INCLUDES = (f"-I{PROGRAM.parent}",)
EMULATED = (
    "-D__ARM_FEATURE_DSP", "-D__ARM_FEATURE_SIMD32", "-D__ARM_FEATURE_UNALIGNED",
    f"-I{boards.HERE / 'host'}",
)  # fmt: skip


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What plain C gives on this machine."""
    return boards.run_on_host(tmp_path_factory.mktemp("plain") / "layers", [PROGRAM], *INCLUDES)


def test_dsp_instructions_emulated_under_sanitizers_give_the_codes_of_plain_c(
    expected: str, tmp_path: Path
) -> None:
    assert boards.run_on_host(tmp_path / "layers", [PROGRAM], *INCLUDES, *EMULATED) == expected


@pytest.mark.parametrize(
    ("board", "optimize"),
    [
        (boards.CORTEX_M4, "-Os"),
        (boards.CORTEX_M4, "-O2"),
        (boards.CORTEX_M7, "-O2"),
        (boards.CORTEX_M55, "-O3"),  # where compilers use Helium
        (boards.RISCV32, "-Os"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.processor,
)
def test_a_microcontroller_gives_the_codes_of_the_host(
    board: Board, optimize: str, expected: str, tmp_path: Path
) -> None:
    if missing := board.missing():
        pytest.skip(missing)
    program = board.compile(tmp_path / "layers.elf", [PROGRAM], *INCLUDES, optimize)
    assert board.run(program) == expected


def test_a_cortex_without_its_dsp_instructions_gives_the_codes_of_the_host(
    expected: str, tmp_path: Path
) -> None:
    board = boards.CORTEX_M4
    if missing := board.missing():
        pytest.skip(missing)
    program = board.compile(tmp_path / "layers.elf", [PROGRAM], *INCLUDES, "-O2", "-DINTACT_NO_DSP")
    assert board.run(program) == expected
    assert "intact_dsp" not in board.tool("nm", str(program))
