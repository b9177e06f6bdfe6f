"""Small Programs to start from: together they have every operation that runs natively."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from intact.errors import IntactError
from intact.exec import native
from intact.ir import int_ops as q
from intact.ir.file import load, save
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import IntOp, Program
from intact.ir.verify import verify
from intact.numerics.arrays import Array
from intact.numerics.formats import Int
from tests.golden.networks import programs as golden
from tests.unit.ir.certified import certified
from tests.unit.ir.examples import S8, coded, examples, network, one, requant, two

PIECE = 3  # nodes of a real network that make a seed
LARGEST = 20_000  # elements of a value in a piece of a real network
RECIPES = ("W8A8", "W8A16", "W4A8", "W8", "W4-g32")


@dataclass(frozen=True)
class Seed:
    """A Program and its file."""

    name: str
    program: Program
    data: bytes


def read(folder: Path) -> list[Seed]:
    """The files of a folder, in the order of their names."""
    paths = sorted(folder.glob("*.intact"))
    return [Seed(path.stem, load(path), path.read_bytes()) for path in paths]


def write(folder: Path, programs: Iterator[Program]) -> None:
    """Saves those Programs that run natively; their numbers are their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, program in enumerate(programs):
        try:
            native.load(program).close()
        except IntactError:
            continue  # an operation without native form
        certificate = certified(program) if number % 4 == 0 else None
        save(program, folder / f"{number:04}.intact", certificate)


def small() -> Iterator[Program]:
    """One node of every operation, the sizes that choose other kernels, whole tiny networks."""
    yield from examples()
    yield network()
    yield from golden().values()
    yield from _kernels()
    yield from _sixteen_bits()


def _kernels() -> Iterator[Program]:
    """Layers as vector kernels, depthwise and Winograd convolutions take them."""
    for size, channels, out, kernel, stride, groups in (
        (8, 16, 16, 3, 1, 1), (6, 32, 48, 1, 1, 1), (9, 16, 16, 3, 2, 16), (7, 33, 33, 5, 1, 33),
        (8, 3, 16, 3, 2, 1), (6, 8, 16, 3, 1, 2), (5, 4, 8, 3, 1, 4), (10, 24, 24, 3, 1, 1),
    ):  # fmt: skip
        pad = (kernel // 2, kernel // 2)
        op = q.QConv2d((stride, stride), (pad, pad), (1, 1), groups, 3, None, requant(out))
        after = (size + 2 * (kernel // 2) - kernel) // stride + 1
        weight, bias = (S8, (out, kernel, kernel, channels // groups)), (Int(32), (out,))
        x = coded(-1, size, size, channels)
        yield one(op, x, (-1, after, after, out), S8, weight, bias)
    for depth, out in ((64, 32), (100, 17), (16, 10)):
        weight, bias = (S8, (out, depth)), (Int(32), (out,))
        op = q.QLinear(-4, None, requant(out))
        yield one(op, coded(-1, depth), (-1, out), S8, weight, bias)
    for rows, depth, columns in ((16, 64, 32), (5, 31, 17)):
        a, b = (-1, 2, rows, depth), (-1, 2, depth, columns)
        yield two(q.QMatMul(2, 0, requant()), a, S8, b, (-1, 2, rows, columns))


def _sixteen_bits() -> Iterator[Program]:
    """The examples with wide codes and accumulators, where these are legal."""
    for program in examples():
        (node,) = program.nodes
        op = node.op
        if not hasattr(op, "requant"):
            continue
        wide = replace(op, requant=replace(op.requant, accumulator_bits=64))
        renamed = {
            value.name: replace(value, dtype=Int(16)) if value.dtype == S8 else value
            for value in (*program.inputs, node.output)
        }
        changed = Node[IntOp](
            wide, tuple(renamed.get(v.name, v) for v in node.inputs), renamed[node.name]
        )
        inputs = tuple(renamed[value.name] for value in program.inputs)
        made = Graph(inputs, (changed.output,), (changed,), program.constants)
        try:
            verify(made)
        except IntactError:
            continue
        yield made


def networks() -> Iterator[Program]:
    """Pieces of the test architectures in all recipes; needs torch and takes minutes."""
    import torch

    from intact.api.network import to_program
    from intact.api.quantize import quantize
    from tests.architectures import ARCHITECTURES

    seen: set[object] = set()
    for recipe in RECIPES:
        for architecture in ARCHITECTURES:
            example = architecture.example(torch.Generator().manual_seed(0))
            made = quantize(architecture.build(), [example], example_input=example, recipe=recipe)
            yield from _pieces(to_program(made), seen)


def _pieces(program: Program, seen: set[object]) -> Iterator[Program]:
    """Every few nodes as a Program, once for each sequence of operations and formats."""
    for start in range(0, len(program.nodes), PIECE - 1):
        piece = _piece(program, program.nodes[start : start + PIECE])
        kind = tuple(
            (type(node.op), *(repr(v.dtype) for v in (*node.inputs, node.output)))
            for node in piece.nodes
        )
        small = all(np.prod([abs(n) for n in v.shape]) <= LARGEST for v in piece.values())
        if small and kind not in seen:
            seen.add(kind)
            yield piece


def _piece(program: Program, nodes: tuple[Node[IntOp], ...]) -> Program:
    written = {node.name for node in nodes}
    read = {value.name: value for node in nodes for value in node.inputs}
    constants: dict[str, Array] = {
        name: program.constants[name] for name in read if name in program.constants
    }
    inputs = tuple(
        value for name, value in read.items() if name not in written and name not in constants
    )
    outputs: tuple[Value, ...] = tuple(node.output for node in nodes if node.name not in read)
    return Graph(inputs, outputs, nodes, constants)
