"""Functions that stand in for CMSIS-NN's, which no package has."""

from tests.targets import boards

FOLDER = boards.HERE / "cmsis_nn"
SOURCE = FOLDER / "stand_in.c"
FLAGS = (
    *boards.WARNINGS, "-pedantic", "-fsanitize=undefined",
    "-fno-sanitize-recover=all", f"-I{FOLDER}", f"-I{boards.PORTABLE}", str(SOURCE),
)  # fmt: skip
