"""Ways to choose the ranges of activations: how often predictions stay those of float.

    python benchmarks/ranges.py [--network mobilenet_v2 ...] [--limit N] [--smoke]
        [--json benchmarks/results/ranges.json]

Every row is recipe W8A8 with another observer, calibrated on the same samples and evaluated in
integers by the native engine. `SQNR` is that of the logits; agreement, not SQNR, is what keeps
accuracy: ranges that cut off the largest logits have a good one and change predictions. The data
lie at $INTACT_DATA. The rows are written to --json, beside those of other networks there.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import intact
from benchmarks.trained import TASKS, Task, float_engine
from intact.metrics import sqnr_db
from intact.numerics.formats import Int
from intact.observers import Entropy, MinMax, MovingAverage, Mse, Observer, Percentile
from intact.recipes import RECIPES

INT8 = Int(8)
OBSERVERS: dict[str, Observer] = {
    "MinMax": MinMax(INT8),
    "Percentile 99.9999": Percentile(INT8, q=99.9999),
    "Percentile 99.999": Percentile(INT8, q=99.999),
    "Percentile 99.99": Percentile(INT8, q=99.99),
    "Percentile 99.9": Percentile(INT8, q=99.9),
    "Mse": Mse(INT8),
    "Entropy": Entropy(INT8),
    "MovingAverage": MovingAverage(INT8),
}
CLASSIFIERS = ("mobilenet_v1", "mobilenet_v2", "cifar_resnet20")


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    observer: str
    top1: float
    agreement: float  # share of predictions that are those of float
    sqnr: float | None  # of the logits, dB; None for float


def rows(task: Task, limit: int | None, observers: dict[str, Observer]) -> Iterator[Row]:
    """Float, and one row for each observer; `limit` cuts the batches to calibrate, too."""
    model, example = task.load()
    samples = [batch[:limit] for batch in task.calibration()][:limit]
    images, labels = task.validation(limit)
    real = task.run(float_engine(model), images)
    yield Row("float", task.metric(real, labels)["top1"], 1.0, None)
    for name, observer in observers.items():
        base = RECIPES["W8A8"]
        changed = tuple(replace(rule, activation=observer) for rule in base.rules)
        recipe = replace(base, rules=changed)
        network = intact.quantize(model, samples, example_input=example, recipe=recipe)
        with intact.compile(network, threads=torch.get_num_threads()) as engine:
            outputs = task.run(engine, images)
        top1 = task.metric(outputs, labels)["top1"]
        yield Row(name, top1, task.agreement(outputs, real), sqnr_db(outputs, real))


def show(name: str, found: list[Row]) -> None:
    """The table."""
    table = Table(title=f"{name}, W8A8")
    for column in ("ranges", "top-1", "as in float", "SQNR dB"):
        table.add_column(column, justify="left" if column == "ranges" else "right")
    for row in found:
        sqnr = "" if row.sqnr is None else f"{row.sqnr:.1f}"
        table.add_row(row.observer, f"{row.top1:.1%}", f"{row.agreement:.1%}", sqnr)
    Console(width=100).print(table)


def save(file: Path, name: str, found: list[Row]) -> None:
    """Writes the rows beside those of other networks."""
    known = json.loads(file.read_text()) if file.exists() else {}
    known[name] = [asdict(row) for row in found]
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(known, indent=1) + "\n")


def main() -> None:
    """Prints a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", nargs="+", choices=CLASSIFIERS, default=CLASSIFIERS)
    parser.add_argument("--limit", type=int, help="use only so many validation samples")
    parser.add_argument("--smoke", action="store_true", help="one observer, a few samples")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    arguments = parser.parse_args()
    observers, limit, names = OBSERVERS, arguments.limit, arguments.network
    if arguments.smoke:
        observers, limit, names = {"MinMax": OBSERVERS["MinMax"]}, 10, ["mobilenet_v1"]
    for name in names:
        task = TASKS[name]
        if missing := task.missing():
            print(f"skipped: {missing}", file=sys.stderr)
            continue
        found = []
        for row in rows(task, limit, observers):
            print(row, file=sys.stderr, flush=True)
            found.append(row)
        show(name, found)
        if arguments.json:
            save(arguments.json, name, found)


if __name__ == "__main__":
    main()
