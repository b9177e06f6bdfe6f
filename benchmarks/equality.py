"""All exact executors against the reference, on every architecture and recipe of integers.

    python benchmarks/equality.py [--recipe W8A8 W4A8] [--smoke]

Weights are random; the samples are the test vectors of each network's certificate. A number is that
of codes that differ from the reference's, over all settings of an executor; a dash stands where it
lacks an operation, which is named below the table.
"""

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import intact
from intact.api.verification import Verification

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.architectures import ARCHITECTURES, Architecture

RECIPES = ("W8A8", "W8A8-per-tensor", "W8A16", "W4A8")
EXECUTORS = ("native", "c", "litert", "tflm")


def compared(architecture: Architecture, recipe: str) -> Verification:
    """The network's executors on its test vectors."""
    samples = architecture.example(torch.Generator().manual_seed(2))
    network = intact.quantize(architecture.build(), [samples], example_input=samples, recipe=recipe)
    return intact.verify_certificate(network).verification


def cell(found: Verification, executor: str) -> str:
    """Codes that differ, of how many."""
    outputs = [
        output
        for agreement in found.agreements
        if agreement.executor == executor
        for output in agreement.outputs
    ]
    if not outputs:
        return "-"
    different = sum(output.elements - output.same for output in outputs)
    return f"{different} of {sum(output.elements for output in outputs):,}"


def main() -> int:
    """Prints a row for each architecture and recipe; 1 if any code differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", nargs="+", default=RECIPES)
    parser.add_argument("--smoke", action="store_true", help="two small networks only")
    arguments = parser.parse_args()
    chosen = ARCHITECTURES
    if arguments.smoke:
        chosen = tuple(a for a in ARCHITECTURES if a.name in ("ds_cnn", "conv1d_net"))
    table = Table(title="codes that differ from the reference's")
    for column in ("network", "recipe", *EXECUTORS):
        table.add_column(column, justify="right" if column in EXECUTORS else "left")
    lacking: list[str] = []
    all_met = True
    for recipe in arguments.recipe:
        for architecture in chosen:
            found = compared(architecture, recipe)
            cells = [cell(found, executor) for executor in EXECUTORS]
            table.add_row(architecture.name, recipe, *cells)
            reasons = found.skipped.items()
            lacking += [f"{architecture.name}, {recipe}, {n}: {reason}" for n, reason in reasons]
            all_met &= found.met
    Console(width=120).print(table)
    print("\n".join(lacking))
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
