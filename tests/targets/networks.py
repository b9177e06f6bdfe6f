"""Generated C of whole networks on emulated boards."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import intact
from intact.emit.c.library import Kernels
from intact.emit.c.model import translate
from intact.emit.c.ports import Port
from intact.emit.c.vectors import Vector
from intact.emit.c.write import write
from intact.exec import reference
from intact.ir.boundary import code_boundary
from intact.ir.graph import elements, sample_slices
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from tests.targets import boards
from tests.targets.boards import Board

PROGRAM = boards.HERE / "programs" / "network.c"


@dataclass(frozen=True, slots=True)
class Case:
    """A Program from codes to codes, and samples for it."""

    program: Program
    samples: int
    inputs: dict[str, Array]  # codes, all samples in one array
    outputs: dict[str, Array]  # the reference's codes

    @property
    def expected(self) -> Array:
        """The bytes of all output codes, sample by sample."""
        parts = [
            self.outputs[value.name][sample_slices(value.shape, number)].tobytes()
            for number in range(self.samples)
            for value in self.program.outputs
        ]
        return np.frombuffer(b"".join(parts), np.uint8)


def case(model: nn.Module, example: tuple[Tensor, ...], recipe: str, *samples: Tensor) -> Case:
    """Quantizes the model by `example` and computes the codes of `samples`, one tensor an input."""
    network = intact.quantize(model, [example], example_input=example, recipe=recipe)
    return case_of(network, *samples)


def case_of(network: intact.QuantizedNetwork, *samples: Tensor) -> Case:
    """A quantized network's codes of `samples`."""
    cut = code_boundary(network.program)
    users = cut.before.inputs
    reals = {user.name: x.numpy() for user, x in zip(users, samples, strict=True)}
    codes = reference.load(cut.before)(reals)
    outputs = reference.load(cut.program)(codes)
    inputs = {value.name: codes[value.name] for value in cut.program.inputs}
    return Case(cut.program, len(samples[0]), inputs, outputs)


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
    sources = [folder / "model.c", folder / "model_test.c", PROGRAM]
    return board.compile(
        folder / "network.elf", sources, f"-I{folder}", f"-I{PROGRAM.parent}", *flags
    )


def write_sources(case: Case, folder: Path, kernels: Kernels = Kernels.PORTABLE) -> None:
    """Writes the generated C and samples.h."""
    model = translate(case.program, kernels)
    first = (
        tuple(codes[v.name][sample_slices(v.shape, 0)] for v in values)
        for values, codes in (
            (case.program.inputs, case.inputs),
            (case.program.outputs, case.outputs),
        )
    )
    write(model, folder, [Vector(*first)])
    (folder / "samples.h").write_text("\n".join(_samples(case, model.ports)))


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


def _samples(case: Case, places: Sequence[Port]) -> Iterator[str]:
    """What network.c asks for: load, run and write_outputs."""
    yield f"enum {{ SAMPLES = {case.samples} }};"
    load, results = [], []
    for port in places:
        if port.is_input:
            name = f"samples_{port.parameter}"
            yield from _array(name, port, case)
            load.append(f"memcpy({port.function}(), {name}[i], sizeof {name}[i]);")
        else:
            size = elements(port.value.shape) * port.value.dtype.storage.itemsize
            results.append(f"write_codes({port.function}(), {size});")
    arguments = ", ".join(f"{port.function}()" for port in places)
    yield f"static void load(int i) {{ {' '.join(load)} }}"
    yield f"static void run(void) {{ (void)model_run({arguments}); }}"
    yield f"static void write_outputs(void) {{ {' '.join(results)} }}\n"


def _array(name: str, port: Port, case: Case) -> Iterator[str]:
    (value,) = (value for value in case.program.inputs if value.name == port.value.name)
    yield f"static const {port.type} {name}[SAMPLES][{elements(port.value.shape)}] = {{"
    for number in range(case.samples):
        codes = case.inputs[value.name][sample_slices(value.shape, number)]
        yield f"{{{','.join(map(str, codes.reshape(-1)))}}},"
    yield "};"
