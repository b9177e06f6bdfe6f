"""Quantize the digits network in several ways and compare.

    python examples/digits/demo.py

Takes less than a minute on two cores. Everything here is the public API of intact.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # to find examples.digits

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file

import intact
from examples.digits.data import Digits, load_calibration, load_test
from examples.digits.network import DigitsNet
from examples.digits.train import WEIGHTS
from intact.metrics import compare, top1

RECIPES = {
    "W8A8": "8-bit integers",
    "W8A8-per-tensor": "one weight scale",
    "W8A16": "16-bit activations",
    "W4A8": "4-bit weights",
    "dynamic-int8": "no calibration",
    "float16": "half precision",
    "W8": "8 bits, float math",
    "W4-g32": "4 bits, float math",
}


def main() -> None:
    """Quantize with each recipe, print a table, export one network and verify it."""
    network = DigitsNet()
    network.load_state_dict(load_file(WEIGHTS))
    network.eval()
    quantized = compare_recipes(network, load_calibration().split(64), load_test())
    export_and_verify(quantized, load_test())


def compare_recipes(
    network: DigitsNet, calibration: Sequence[torch.Tensor], test: Digits
) -> intact.QuantizedNetwork:
    """Print a line for each recipe; return the W8A8 network."""
    with torch.no_grad():
        reference = network(test.images).numpy()
    labels = test.labels.numpy()
    table = Table("recipe", "", title="The digits network, 450 test pictures", box=box.SIMPLE)
    for header in ("kB", "top-1", "as float", "SQNR"):
        table.add_column(header, justify="right", no_wrap=True)
    size = 4 * sum(parameter.numel() for parameter in network.parameters())
    accuracy = top1(reference, labels).share
    table.add_row("", "as trained", f"{size / 1000:.1f}", f"{accuracy:.2%}")
    networks = {}
    for recipe, meaning in RECIPES.items():
        networks[recipe] = intact.quantize(network, calibration, recipe=recipe)
        outputs = np.asarray(intact.compile(networks[recipe])(test.images.numpy()))
        comparison = compare(outputs, reference)
        table.add_row(
            recipe,
            meaning,
            f"{networks[recipe].bytes / 1000:.1f}",
            f"{top1(outputs, labels).share:.2%}",
            f"{comparison.agreement:.2%}",
            f"{comparison.sqnr_db:.1f} dB",
        )
    Console().print(table)
    return networks["W8A8"]


def export_and_verify(quantized: intact.QuantizedNetwork, test: Digits) -> None:
    """Save, export to ONNX, and compare the integers with those of ONNX Runtime."""
    print("W8A8, layer by layer:\n")
    print(quantized.summary())
    with TemporaryDirectory() as folder:
        saved, exported = Path(folder) / "digits.intact", Path(folder) / "digits.onnx"
        quantized.save(saved)
        intact.export(quantized, exported)
        sizes = [f"{path.name} {path.stat().st_size / 1000:.1f} kB" for path in (saved, exported)]
        print(f"\nSaved and exported: {', '.join(sizes)}\n")
    print(intact.verify(quantized, test.images, executors=["native", "c", "onnxruntime"]))


if __name__ == "__main__":
    main()
