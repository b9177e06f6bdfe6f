"""Reference executor against ONNX Runtime, layer by layer, on every architecture.

    python benchmarks/parity.py [--recipe W8A8 W4A8] [--smoke]

Each layer of the exported ONNX file reads the reference executor's own codes, so that a difference
is that layer's alone. Weights and inputs are random.
"""

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import intact
from intact.verification import compare_onnxruntime

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.architectures import ARCHITECTURES, Architecture


def row(architecture: Architecture, recipe: str) -> list[str]:
    """Values compared, their codes, the share that is equal, the largest difference, the worst."""
    examples = [architecture.example(torch.Generator().manual_seed(seed)) for seed in (2, 3, 4)]
    network = intact.quantize(
        architecture.build(), examples[:2], example_input=examples[0], recipe=recipe
    )
    names = [value.name for value in network.program.inputs]
    inputs = {name: x.numpy() for name, x in zip(names, examples[2], strict=True)}
    comparison = compare_onnxruntime(network.program, inputs)
    worst = comparison.worst(1)[0]
    codes = sum(layer.elements for layer in comparison.layers)
    return [
        architecture.name,
        recipe,
        str(len(comparison.layers)),
        f"{codes:,}",
        f"{comparison.equal:.3%}",
        str(comparison.largest),
        f"{worst.equal:.1%} {worst.name}",
    ]


def main() -> None:
    """Prints a row for each architecture and recipe."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", nargs="+", default=["W8A8"])
    parser.add_argument("--smoke", action="store_true", help="two small networks only")
    arguments = parser.parse_args()
    chosen = ARCHITECTURES
    if arguments.smoke:
        chosen = tuple(a for a in ARCHITECTURES if a.name in ("ds_cnn", "conv1d_net"))
    table = Table(title="codes of the reference executor and of ONNX Runtime")
    for column in ("network", "recipe", "layers", "codes", "equal", "largest", "worst layer"):
        text = column in ("network", "recipe", "worst layer")
        table.add_column(column, justify="left" if text else "right")
    for recipe in arguments.recipe:
        for architecture in chosen:
            table.add_row(*row(architecture, recipe))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
