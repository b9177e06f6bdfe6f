"""Four-bit weights after training: what each way of rounding keeps of the accuracy.

    python benchmarks/reproduce/w4a8.py [--network mobilenet_v1 ...] [--method ...] [--json FILE]

Real networks from $INTACT_DATA with int4 weights per channel and int8 activations (and W8A8 beside
them), executed in integers by the native engine: top-1, its paired difference to float with the
95 % confidence interval, seconds and peak memory of quantization, each in a process of its own.
CPU seconds are those of all threads together. `--json` adds the rows to those in a file.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
import intact
from benchmarks.trained import TASKS, float_engine
from intact.metrics import compare, top1
from intact.numerics.formats import Int
from intact.ptq import BiasCorrected, Brecq, LeastSquares, Nearest, PtqRule, Recipe, WeightMethod
from intact.recipes import RECIPES

NETWORKS = ("mobilenet_v1", "mobilenet_v2", "cifar_resnet20")
INT4 = Int(4, narrow=True)
FLOAT = "float32"


def _rounded(weight: WeightMethod) -> Recipe:
    activation = RECIPES["W8A8"].rules[0].activation
    return Recipe(rules=(PtqRule(weight=BiasCorrected(weight), activation=activation),))


METHODS: dict[str, Recipe] = {
    "nearest, largest weight": _rounded(Nearest(INT4)),
    "nearest, least squares": _rounded(LeastSquares(INT4)),
    **{name: RECIPES[name] for name in ("W4A8", "W4A8-adaround", "W8A8")},
    "BRECQ": replace(RECIPES["W4A8-adaround"], after=(Brecq(),)),
}


@dataclass(frozen=True)
class Row:
    """One network quantized one way."""

    network: str
    method: str
    validation: int = 0  # samples
    top1: float = 0.0
    difference: float = 0.0  # to float, of shares
    interval: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    bytes: int = 0


def measured(network: str, method: str, limit: int | None, samples: int | None) -> Row:
    """One row; `method` is one of METHODS, or FLOAT. Quantizes before it loads what validates."""
    task = TASKS[network]
    model, example = task.load()
    row = Row(network, method)
    engine = float_engine(model)
    if method != FLOAT:
        batches = task.calibration()
        if samples is not None:
            batches = [batches[0][:samples]]
        start, cpu = time.perf_counter(), time.process_time()
        quantized = intact.quantize(model, batches, example_input=example, recipe=METHODS[method])
        row = replace(
            row,
            seconds=time.perf_counter() - start,
            cpu_seconds=time.process_time() - cpu,
            peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            bytes=quantized.bytes,
        )
        engine = intact.compile(quantized)
    images, labels = task.validation(limit)
    outputs = task.run(engine, images)
    tally = compare(outputs, task.run(float_engine(model), images), labels)
    return replace(
        row,
        validation=len(labels),
        top1=top1(outputs, labels).share,
        difference=tally.difference,
        interval=tally.difference_interval,
    )


def rows(
    networks: list[str], methods: list[str], limit: int | None, samples: int | None
) -> Iterator[Row]:
    """All rows, each measured in a process of its own: a peak of memory never falls."""
    for network in networks:
        missing = TASKS[network].missing()
        if missing:
            print(f"skipped: {missing}", file=sys.stderr)
            continue
        for method in (FLOAT, *methods):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                row = pool.submit(measured, network, method, limit, samples).result()
            print(json.dumps(asdict(row)), file=sys.stderr, flush=True)
            yield row


def show(found: list[Row]) -> None:
    """The table."""
    table = Table()
    for column in ("network", "method"):
        table.add_column(column)
    for column in ("top-1", "points to float (95 %)", "s", "CPU s", "peak MB", "MB"):
        table.add_column(column, justify="right")
    for row in found:
        cells = [row.network, row.method, f"{row.top1:.1%}"]
        if row.method != FLOAT:
            low, high = (100 * end for end in row.interval)
            cells += [
                f"{100 * row.difference:+.2f} ({low:+.2f} .. {high:+.2f})",
                f"{row.seconds:.0f}",
                f"{row.cpu_seconds:.0f}",
                f"{row.peak_mb:.0f}",
                f"{row.bytes / 1e6:.2f}",
            ]
        table.add_row(*cells)
    Console(width=110).print(table)


def keep(found: list[Row], path: Path) -> None:
    """Adds the rows to those in a file, instead of older ones about the same."""
    kept = [Row(**row) for row in json.loads(path.read_text())] if path.exists() else []
    new = {(row.network, row.method): row for row in (*kept, *found)}
    ordered = sorted(new.values(), key=lambda row: NETWORKS.index(row.network))
    path.write_text(json.dumps([asdict(row) for row in ordered], indent=1) + "\n")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--method", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--limit", type=int, help="use only so many validation samples")
    parser.add_argument("--json", type=Path, help="add the rows to those in this file")
    parser.add_argument("--smoke", action="store_true", help="one small row: does it run?")
    arguments = parser.parse_args()
    if arguments.smoke:
        show(list(rows(["mobilenet_v1"], ["nearest, least squares"], 20, 8)))
        return
    found = list(rows(arguments.network, arguments.method, arguments.limit, None))
    show(found)
    if arguments.json:
        keep(found, arguments.json)


if __name__ == "__main__":
    main()
