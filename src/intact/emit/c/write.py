"""Writes a Program as a folder of C sources."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from intact.emit.c.kernels import amalgamate
from intact.emit.c.model import Model, translate
from intact.emit.c.render import header, source
from intact.emit.c.vectors import Vector, self_test
from intact.ir.int_ops import Program
from intact.ir.replacing import replacing

_NAME = re.compile(r"[A-Za-z_]\w*")


def sources(program: Program, vectors: Sequence[Vector] = ()) -> dict[str, str]:
    """The files by name: model.h, model.c, intact_kernels.h and model_test.c."""
    return render(translate(program), vectors)


def render(
    model: Model, vectors: Sequence[Vector] = (), *, outside: int | None = None
) -> dict[str, str]:
    """The files of a model; arrays of `outside` bytes and more are declared only."""
    code = source(model, outside)
    macros = {
        **model.kinds.macros(),
        "INTACT_MAX_RANK": str(model.declarations.most_axes()),
    }
    return {
        "model.h": header(model),
        "model.c": code,
        "intact_kernels.h": amalgamate(set(_NAME.findall(code)), macros),
        "model_test.c": self_test(model, vectors),
    }


def write(program: Program, folder: Path, vectors: Sequence[Vector] = ()) -> None:
    """Writes C99 sources of a Program from codes to codes; all of them or none.

    Args:
        program: What `code_boundary` cut out, of integers alone.
        folder: Made if it is missing; files of the same names are replaced.
        vectors: What the self-test runs.

    Raises:
        UnsupportedOpError: names the layer that has no form in C.
        OSError: if the folder cannot be written.
    """
    files = sources(program, vectors)
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        for name, text in files.items():
            stack.enter_context(replacing(folder / name)).write(text.encode("ascii"))
