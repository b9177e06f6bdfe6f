"""Instructions that layers take on a 64-bit ARM CPU: portable C, NEON, NEON with dot products.

    python benchmarks/neon.py [--smoke]

Counts what QEMU executes (Debian: g++-aarch64-linux-gnu, qemu-user) on one thread, one image at a
time, and compares every output with the reference's. Weights and inputs are random. Portable C is
what GCC's -O3 makes of it, which uses NEON too. Prints a table in Markdown for each network.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

import intact
from intact.exec import reference
from intact.ir import int_ops
from intact.ir.graph import Graph, Node
from intact.ir.int_ops import IntOp, Program
from intact.numerics.arrays import Array

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.aarch64 import machine
from tests.aarch64.recording import record
from tests.architectures import ARCHITECTURES
from tests.architectures.examples import images
from tests.architectures.mobilenet_v1 import MobileNetV1
from tests.architectures.resnet import resnet18
from tests.architectures.seeding import Example, seeded


def quantized(network: nn.Module, example: Example) -> tuple[Program, dict[str, Array]]:
    """The network in 8-bit integers, and one image."""
    (x,) = example(torch.Generator().manual_seed(0))
    made = intact.quantize(network, [(x,)], example_input=(x,), recipe="W8A8")
    return made.program, {made.program.inputs[0].name: x[:1].numpy()}


def label(node: Node[IntOp]) -> str:
    """What distinguishes a layer from others: its kind and sizes."""
    x, out = node.inputs[0].shape, node.output.shape
    sizes = f"{'x'.join(map(str, x[1:]))} → {'x'.join(map(str, out[1:]))}"
    match node.op:
        case int_ops.QConv2d(groups=groups, stride=stride):
            rows, columns = node.inputs[1].shape[1:3]
            kind = "conv" if groups == 1 else "depthwise"
            return (
                f"{kind} {rows}x{columns}{'' if max(stride) == 1 else f'/{max(stride)}'}, {sizes}"
            )
        case op:
            return f"{type(op).__name__}, {sizes}"


def products(node: Node[IntOp]) -> int:
    """Of codes with weights."""
    if not isinstance(node.op, int_ops.QConv2d | int_ops.QLinear):
        return 0
    return int(np.prod(node.output.shape[1:-1]) * np.prod(node.inputs[1].shape))


def alone(node: Node[IntOp], program: Program) -> Program:
    """The node's own program."""
    constants = {
        v.name: program.constants[v.name] for v in node.inputs if v.name in program.constants
    }
    inputs = tuple(dict.fromkeys(v for v in node.inputs if v.name not in constants))
    return Graph(inputs, (node.output,), (node,), constants)


def layers(program: Program) -> Iterator[tuple[Node[IntOp], int]]:
    """The layers that compute with codes, and how often their like is there."""
    nodes = [node for node in program.nodes if isinstance(node.op, int_ops.QuantizedOp)]
    times = Counter(label(node) for node in nodes)
    first = {label(node): node for node in reversed(nodes)}
    return ((first[name], count) for name, count in times.items())


def counted(
    build: machine.Build, program: Program, inputs: Mapping[str, Array]
) -> dict[str, list[int]]:
    """Instructions of each of the layers, by level."""
    values = {**inputs, **reference.trace(program)(inputs)}
    recordings = []
    for node, _ in layers(program):
        single = alone(node, program)
        own = {value.name: values[value.name] for value in single.inputs}
        recordings.append(record(node.name, single, own))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layers"
        path.write_bytes(b"".join(recordings))
        return {level: machine.instructions(build, path, level) for level in machine.LEVELS}


def row(name: str, times: int, macs: int, counts: list[int]) -> str:
    """Millions of products and instructions, and how many times fewer they became."""
    portable, neon, dot = counts
    cells = [
        name, str(times), f"{macs / 1e6:.1f}", *(f"{count / 1e6:.2f}" for count in counts),
        f"{portable / neon:.1f}", f"{portable / dot:.1f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def report(build: machine.Build, name: str, network: nn.Module, example: Example) -> None:
    """Prints the table of a network."""
    program, inputs = quantized(network, example)
    counts = counted(build, program, inputs)
    columns = (
        "times",
        "10⁶ products",
        "portable",
        "NEON",
        "dot",
        "portable / NEON",
        "portable / dot",
    )
    print(f"| {name} | {' | '.join(columns)} |")
    print(f"|---|{'---:|' * len(columns)}")
    total = np.zeros(1 + len(machine.LEVELS), np.int64)
    for number, (node, times) in enumerate(layers(program)):
        own = [counts[level][number] for level in machine.LEVELS]
        print(row(label(node), times, products(node), own))
        total += times * np.array([products(node), *own])
    print(row("all", 1, total[0], list(total[1:])), flush=True)
    print()


def main() -> None:
    """Prints a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="a small network, barely optimized")
    smoke = parser.parse_args().smoke
    if missing := machine.missing():
        sys.exit(missing)
    build = machine.TESTED if smoke else machine.RELEASED
    machine.build(build)
    if smoke:
        small = next(a for a in ARCHITECTURES if a.name == "ds_cnn")
        report(build, small.name, small.build(), small.example)
        return
    example = images(3, 224, 224)
    for name, network in (("MobileNetV1", MobileNetV1), ("ResNet-18", resnet18)):
        report(build, name, seeded(network, example), example)


if __name__ == "__main__":
    main()
