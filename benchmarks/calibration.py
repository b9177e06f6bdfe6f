"""Calibration: peak memory must not grow with the number of samples, and time.

    python benchmarks/calibration.py [--samples 64 1024] [--observer MinMax Entropy ...] [--smoke]

Each measurement runs in a process of its own: it captures MobileNetV2 at 224 x 224 (random weights
and images, made one batch at a time), quantizes it with full-integer rules, and reports its own
peak resident memory. The ratio compares the largest number of samples with the smallest.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import intact

ROOT = Path(__file__).resolve().parent.parent
BATCH = 16
OBSERVERS = {
    "MinMax": intact.MinMax(intact.Int(8)),
    "MovingAverage": intact.MovingAverage(intact.Int(8)),
    "Percentile": intact.Percentile(intact.Int(8)),
    "Mse": intact.Mse(intact.Int(8)),
    "Entropy": intact.Entropy(intact.Int(8)),
}


def images(samples: int, size: int) -> Iterator[Tensor]:
    """Random images in batches."""
    generator = torch.Generator().manual_seed(0)
    for start in range(0, samples, BATCH):
        count = min(BATCH, samples - start)
        yield torch.randn(count, 3, size, size, generator=generator)


def measure(observer: str, samples: int, size: int) -> dict[str, float]:
    """Seconds and peak memory of this process, which does nothing else."""
    sys.path.insert(0, str(ROOT))
    from tests.architectures.mobilenet_v2 import MobileNetV2

    torch.manual_seed(0)
    model = MobileNetV2().eval()
    rule = intact.PtqRule(weight=intact.Nearest(intact.Int(8)), activation=OBSERVERS[observer])
    start = time.perf_counter()
    intact.quantize(
        model, images(samples, size), example_input=torch.zeros(1, 3, size, size), recipe=[rule]
    )
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"samples": samples, "seconds": seconds, "peak_mb": peak}


def in_own_process(observer: str, samples: int, size: int) -> dict[str, float]:
    """`measure` in a fresh interpreter."""
    command = [sys.executable, __file__, "--one", observer, str(samples), str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Prints a row for each observer."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[64, 1024])
    parser.add_argument("--observer", nargs="+", choices=OBSERVERS, default=list(OBSERVERS))
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--smoke", action="store_true", help="a minute's check on tiny images")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        observer, samples, size = arguments.one
        print(json.dumps(measure(observer, int(samples), int(size))))
        return
    if arguments.smoke:
        arguments.samples, arguments.size = [8, 32], 32
        arguments.observer = ["MinMax", "Entropy"]
    table = Table(title=f"calibration of MobileNetV2 at {arguments.size} pixels")
    table.add_column("observer")
    for samples in arguments.samples:
        table.add_column(f"{samples} samples: s", justify="right")
        table.add_column("peak MB", justify="right")
    table.add_column("ratio of peaks", justify="right")
    for observer in arguments.observer:
        rows = [in_own_process(observer, n, arguments.size) for n in arguments.samples]
        cells = [f"{row[key]:.0f}" for row in rows for key in ("seconds", "peak_mb")]
        table.add_row(observer, *cells, f"{rows[-1]['peak_mb'] / rows[0]['peak_mb']:.3f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
