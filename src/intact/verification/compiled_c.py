"""Compiles the exported C of a Program on the spot, and runs it."""

import ctypes
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from intact.emit.c.declarations import Data
from intact.emit.c.library import Kernels
from intact.emit.c.model import Model, translate
from intact.emit.c.write import render
from intact.errors import VerifyError
from intact.exec.reference import folded
from intact.exec.runner import Runner, check_inputs
from intact.ir.graph import Value, sample_slices, with_batch
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array

_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = ("-std=c99", "-O1", "-fPIC", "-shared")
_LARGE = 1 << 16  # bytes of an array, from which compilers take long to read it as text


def load(
    program: Program,
    *,
    compiler: str | None = None,
    flags: Sequence[str] = (),
    kernels: Kernels = Kernels.PORTABLE,
) -> Runner:
    """The Program's generated C as a function of named inputs; samples run one by one.

    Args:
        program: From codes to codes, as `code_boundary` cuts it out.
        compiler: A command that takes GCC's arguments; by default cc, gcc or clang.
        flags: More arguments for it.
        kernels: Whose; the flags then find and link those of CMSIS-NN.

    Raises:
        UnsupportedOpError: if the Program has no form in C.
        FileNotFoundError: if there is no C compiler.
        VerifyError: if it refuses the code, with what it said.
    """
    command = _find(compiler)
    model = translate(folded(program), kernels)
    with tempfile.TemporaryDirectory(prefix="intact-c-") as folder:
        library = _compile(model, Path(folder), command, flags)
        run = ctypes.CDLL(str(library)).model_run
        run.restype = ctypes.c_int if model.may_fail else None

    def runner(inputs: Mapping[str, Array]) -> dict[str, Array]:
        batch = check_inputs(program, inputs)
        made = {v.name: _empty(v, batch) for v in program.outputs}
        for number in range(batch):
            results = _call(run, program, inputs, number)
            for value, result in zip(program.outputs, results, strict=True):
                made[value.name][sample_slices(value.shape, number)] = result
        return made

    return runner


def _find(compiler: str | None) -> str:
    wanted = _COMPILERS if compiler is None else (compiler,)
    found = next((path for name in wanted if (path := shutil.which(name))), None)
    if found is None:
        raise FileNotFoundError(
            f"generated C needs a C compiler, and {' or '.join(wanted)} is not installed"
        )
    return found


def _compile(model: Model, folder: Path, compiler: str, flags: Sequence[str]) -> Path:
    """The shared library of model.c."""
    outside = _LARGE if sys.platform == "linux" else None
    for name, text in render(model, outside=outside).items():
        (folder / name).write_text(text, encoding="ascii")
    (folder / "arrays.c").write_text("\n".join(_arrays(model, folder, outside)), encoding="ascii")
    library = folder / "model.so"
    command = [compiler, *_FLAGS, *flags, "model.c", "arrays.c", "-o", library.name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise VerifyError(
            f"{' '.join(command)} cannot compile the generated C: {done.stderr.strip()}"
        )
    return library


def _arrays(model: Model, folder: Path, outside: int | None) -> list[str]:
    """Large arrays as the assembler reads them, from files of their bytes."""
    lines = ["typedef int nothing;"]
    for item in model.declarations.items:
        if outside is None or not isinstance(item, Data) or item.values.nbytes < outside:
            continue
        (folder / f"{item.name}.bin").write_bytes(item.values.tobytes())
        lines.append(
            f'__asm__(".section .rodata\\n.balign 16\\n.globl {item.name}\\n'
            f'{item.name}:\\n.incbin \\"{item.name}.bin\\"\\n.previous\\n");'
        )
    return lines


def _call(
    run: Callable[..., int], program: Program, inputs: Mapping[str, Array], number: int
) -> list[Array]:
    """The outputs of one sample of a batch.

    Raises:
        IndexError: if an index of an embedding is that of no row.
        RuntimeError: if CMSIS-NN refuses.
    """
    codes = [
        np.ascontiguousarray(inputs[value.name][sample_slices(value.shape, number)])
        for value in program.inputs
    ]
    made = [_empty(value, 1) for value in program.outputs]
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (*codes, *made)]
    match run(*pointers):
        case 1:
            raise IndexError("an index is that of no row of its table")
        case 2:
            raise RuntimeError("CMSIS-NN refuses a layer, or needs more scratch memory")
    return made


def _empty(value: Value, batch: int) -> Array:
    return np.empty(with_batch(value.shape, batch), value.dtype.storage)
