"""Calibration with distilled samples beside as many photographs, and beside noise.

    python benchmarks/distilled.py [--network mobilenet_v1] [--samples 32] [--limit N] [--smoke]
        [--json benchmarks/results/distilled.json]

Every row quantizes the same network by the same recipe and is evaluated in integers on the same
samples. `noise` is what the distillation begins with. The data lie at $INTACT_DATA. The rows are
written to --json, beside those of other networks there.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import intact
from benchmarks.trained import TASKS, Task, float_engine
from intact.capture.export import capture
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.metrics import sqnr_db
from intact.ptq import Distillation
from intact.ptq.distilled import Matching

RECIPE = "W8A8"
INPUT_RANGE = {"mobilenet_v1": (-1.0, 1.0), "cifar_resnet20": None}
Samples = list[tuple[Tensor, ...]]


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    calibration: str
    distance: float  # of the samples' statistics from those that BatchNorms remember
    top1: float
    agreement: float  # share of predictions that are those of float
    sqnr: float | None  # of the logits, dB; None for float
    seconds: float  # to make the samples


def measure(task: Task, count: int, limit: int | None, steps: int) -> list[Row]:
    """The rows of one network."""
    model, example = task.load()
    graph = capture(model, example)
    images, labels = task.validation(limit)
    real = task.run(float_engine(model), images)
    rows = [Row("float", 0.0, task.metric(real, labels)["top1"], 1.0, None, 0.0)]
    for name, samples, seconds in _calibrations(task, graph, count, steps):
        network = intact.quantize(graph, samples, recipe=RECIPE)
        outputs = task.run(intact.compile(network), images)
        same = float((outputs.argmax(1) == real.argmax(1)).mean())
        top1, sqnr = task.metric(outputs, labels)["top1"], sqnr_db(outputs, real)
        rows.append(Row(name, _distance(graph, samples), top1, same, sqnr, seconds))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def _calibrations(
    task: Task, graph: Graph[FloatOp], count: int, steps: int
) -> list[tuple[str, Samples, float]]:
    photographs = torch.cat(task.calibration())
    chosen = photographs[:: max(1, len(photographs) // count)][:count]
    found: list[tuple[str, Samples, float]] = [
        ("photographs", [(part,) for part in chosen.split(16)], 0.0)
    ]
    # Without a step, what remains is where the distillation starts.
    for name, number, rate in (("noise", 1, 1e-9), ("distilled", steps, Distillation().rate)):
        settings = Distillation(
            samples=count, steps=number, rate=rate, input_range=INPUT_RANGE[task.name]
        )
        start = time.perf_counter()
        found.append((name, settings(graph), time.perf_counter() - start))
    return found


def _distance(graph: Graph[FloatOp], samples: Samples) -> float:
    match = Matching(graph)
    with torch.no_grad():
        return float(np.mean([match.distance(batch).item() for batch in samples]))


def main() -> None:
    """Prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", choices=list(INPUT_RANGE), default="mobilenet_v1")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--limit", type=int, help="validation samples")
    parser.add_argument("--smoke", action="store_true", help="a few samples and steps")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    arguments = parser.parse_args()
    task = TASKS[arguments.network]
    if missing := task.missing():
        print(f"skipped: {missing}", file=sys.stderr)
        return
    if arguments.smoke:
        rows = measure(task, 2, 10, steps=2)
    else:
        rows = measure(task, arguments.samples, arguments.limit, Distillation().steps)
    show(task.name, rows)
    if arguments.json:
        arguments.json.parent.mkdir(exist_ok=True)
        documents = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
        documents[task.name] = {
            "recipe": RECIPE,
            "samples": arguments.samples,
            "validation": arguments.limit or "all",
            "rows": [asdict(row) for row in rows],
        }
        arguments.json.write_text(json.dumps(documents, indent=1) + "\n")


def show(name: str, rows: list[Row]) -> None:
    """The table."""
    table = Table(title=f"{name}, {RECIPE}")
    for column in ("calibration", "distance", "top-1", "agreement", "SQNR dB", "s"):
        table.add_column(column, justify="left" if column == "calibration" else "right")
    for row in rows:
        table.add_row(
            row.calibration,
            f"{row.distance:.3f}",
            f"{row.top1:.1%}",
            f"{row.agreement:.1%}",
            "" if row.sqnr is None else f"{row.sqnr:.1f}",
            f"{row.seconds:.0f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
