"""Generated C of whole networks on emulated boards."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import intact
from intact.emit.c.library import Kernels
from intact.emit.c.model import translate
from intact.emit.c.vectors import Vector
from intact.emit.c.write import write
from intact.exec import reference
from intact.ir.boundary import code_boundary
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from tests.targets import boards
from tests.targets.boards import Board

PROGRAM = boards.HERE / "programs" / "network.c"


@dataclass(frozen=True, slots=True)
class Case:
    """A Program from codes to codes with one input and one output, and samples for it."""

    program: Program
    samples: Array  # codes (N, ...)
    expected: Array  # the reference's codes


def case(model: nn.Module, example: tuple[Tensor, ...], recipe: str, samples: Tensor) -> Case:
    """Quantizes the model by `example` and computes the codes of `samples`."""
    network = intact.quantize(model, [example], example_input=example, recipe=recipe)
    return case_of(network, samples)


def case_of(network: intact.QuantizedNetwork, samples: Tensor) -> Case:
    """A quantized network's codes of `samples`."""
    cut = code_boundary(network.program)
    (user,), (given,) = cut.before.inputs, cut.program.inputs
    codes = reference.load(cut.before)({user.name: samples.numpy()})
    (made,) = reference.load(cut.program)(codes).values()
    return Case(cut.program, codes[given.name], made)


def example_of(example: object, seed: int) -> tuple[Tensor, ...]:
    """Inputs of two samples."""
    return example(torch.Generator().manual_seed(seed))  # type: ignore[operator, no-any-return]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a board says of a case."""

    codes: Array  # as bytes
    instructions: int  # of one sample
    stack: int  # bytes
    self_test: int


def build(
    case: Case, board: Board, folder: Path, *flags: str, kernels: Kernels = Kernels.PORTABLE
) -> Path:
    """Writes the sources, with a self-test of the first sample, and links them."""
    write_sources(case, folder, kernels)
    (folder / "samples.h").write_text(_samples(case))
    sources = [folder / "model.c", folder / "model_test.c", PROGRAM]
    return board.compile(
        folder / "network.elf", sources, f"-I{folder}", f"-I{PROGRAM.parent}", *flags
    )


def write_sources(case: Case, folder: Path, kernels: Kernels = Kernels.PORTABLE) -> None:
    """Writes the generated C."""
    vector = Vector((case.samples[:1],), (case.expected[:1],))
    write(translate(case.program, kernels), folder, [vector])


def run(board: Board, program: Path) -> Measured:
    """Runs the program and reads what it writes."""
    lines = [line.split() for line in board.run(program).splitlines()]
    codes = b"".join(bytes.fromhex(text) for name, text in lines if name == "codes")
    numbers = {name: int(text, 16) for name, text in lines if name != "codes"}
    return Measured(
        np.frombuffer(codes, np.uint8),
        numbers["instructions"],
        numbers["stack"],
        numbers["self_test"],
    )


def _samples(case: Case) -> str:
    rows = case.samples.reshape(len(case.samples), -1)
    numbers = ",\n".join("{" + _joined(row) + "}" for row in rows)
    return (
        f"typedef {case.samples.dtype.name}_t input_code;\n"
        f"enum {{ SAMPLES = {len(rows)}, OUTPUT_CODES = {case.expected[0].size} }};\n"
        f"static const input_code samples[{len(rows)}][{rows.shape[1]}] = {{\n{numbers}}};\n"
    )


def _joined(codes: Sequence[int] | Array) -> str:
    return ",".join(map(str, codes))
