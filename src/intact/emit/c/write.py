"""Writes a Program as a folder of C sources."""

import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from intact.emit.c.kernels import amalgamate
from intact.emit.c.model import Model
from intact.emit.c.render import header, source
from intact.emit.c.vectors import Vector, self_test
from intact.ir.replacing import replacing

_NAME = re.compile(r"[A-Za-z_]\w*")


def render(
    model: Model, vectors: Sequence[Vector] = (), *, outside: int | None = None
) -> dict[str, str]:
    """The files by name; arrays of `outside` bytes and more are declared only."""
    code = source(model, outside)
    macros = {
        **model.kinds.macros(),
        "INTACT_MAX_RANK": str(model.declarations.most_axes()),
    }
    return {
        f"{model.name}.h": header(model),
        f"{model.name}.c": code,
        f"{model.name}_kernels.h": amalgamate(set(_NAME.findall(code)), macros),
        f"{model.name}_test.c": self_test(model, vectors),
    }


def write(model: Model, folder: Path, vectors: Sequence[Vector] = ()) -> None:
    """Writes NAME.h, NAME.c, NAME_kernels.h and NAME_test.c; all of them or none.

    Args:
        model: What `translate` made.
        folder: Made if it is missing; files of these names are replaced.
        vectors: What the self-test runs.

    Raises:
        OSError: if the folder cannot be written.
    """
    files = render(model, vectors)
    is_new = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        with ExitStack() as stack:
            for name, text in files.items():
                file = stack.enter_context(replacing(folder / name))
                file.write(text.encode("ascii"))
                file.flush()  # a full disk must show before the first file is replaced
    except BaseException:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        raise
