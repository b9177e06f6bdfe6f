"""How much code a model compiles to, where a compiler for Cortex-M is installed."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from intact.emit.c import Model, render
from intact.emit.c.declarations import Structure

PROCESSOR = "cortex-m4"
_TOOLS = "arm-none-eabi-"
_FLAGS = (f"-mcpu={PROCESSOR}", "-mthumb", "-mfloat-abi=soft", "-std=c99", "-Os")


def code_bytes(model: Model) -> int | None:
    """Bytes of instructions for a Cortex-M4, optimized for size.

    None without a compiler and its C library, or where the model calls another library's kernels.

    Raises:
        RuntimeError: if the compiler refuses the code.
    """
    if model.calls_cmsis_nn or not _can_compile():
        return None
    with tempfile.TemporaryDirectory(prefix="intact-c-") as folder:
        # Without the arrays, which are counted already and take long to compile.
        for name, text in render(model, outside=0).items():
            (Path(folder) / name).write_text(text, encoding="ascii")
        _run([_TOOLS + "gcc", *_FLAGS, "-c", f"{model.name}.c", "-o", "model.o"], folder)
        listed = _run([_TOOLS + "size", "model.o"], folder)
    axes = model.declarations.most_axes()
    structures = (item for item in model.declarations.items if isinstance(item, Structure))
    return int(listed.splitlines()[1].split()[0]) - sum(item.size(axes) for item in structures)


def _can_compile() -> bool:
    """Whether there is a compiler with headers: Debian has its C library in another package."""
    if any(shutil.which(_TOOLS + tool) is None for tool in ("gcc", "size")):
        return False
    command = [_TOOLS + "gcc", "-x", "c", "-fsyntax-only", "-"]
    done = subprocess.run(command, input=b"#include <string.h>\n", capture_output=True, check=False)
    return done.returncode == 0


def _run(command: list[str], folder: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout
