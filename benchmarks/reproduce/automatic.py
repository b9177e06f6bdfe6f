"""Automatic mode on trained networks: what is tried until a budget holds, and how long it takes.

    python benchmarks/reproduce/automatic.py [--network mobilenet_v1] [--recipe W8A8-per-tensor]
        [--plain] [--max-drop 0.01] [--time SECONDS] [--limit N] [--threads N] [--smoke]
        [--json benchmarks/results/automatic.json]

Every candidate is quantized with the calibration samples, run by the native integer engine and
judged beside the float network on the same samples: the loss has a 95 % interval, paired. A
candidate with * was given up after some samples, surely beyond the budget. The seconds are those of
the whole call, the float network's evaluation included.

With --plain only the recipe's rules are taken, and not what it does to the float network before
(named recipes repair dead channels, without which per-tensor weights leave nothing of MobileNetV1).

The data lie at $INTACT_DATA. The rows are written to --json, beside those of other searches there.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
import intact
from benchmarks.trained import TASKS, Task, Top1
from intact.api.network import Validation
from intact.ptq import Progress, Recipe
from intact.recipes import RECIPES

RESULTS = Path(__file__).resolve().parent.parent / "results" / "automatic.json"
Rows = dict[str, Any]


def searched(
    task: Task, recipe: str | Recipe, max_drop: float, limit: int | None, seconds: float | None
) -> Rows:
    """One search, as numbers."""
    module, example = task.load()
    images, targets = task.validation(limit)
    starts = range(0, len(images), task.batch)
    labelled = intact.ScoredSamples(
        [(images[i : i + task.batch], targets[i : i + task.batch]) for i in starts], task.scores
    )
    calibration = task.calibration()
    began = time.perf_counter()
    network = intact.quantize(
        module,
        calibration,
        example_input=example,
        recipe=recipe,
        validate=labelled,
        max_drop=max_drop,
        time_limit=seconds,
        progress=_told(began),
    )
    took = time.perf_counter() - began
    assert network.validation is not None
    return _rows(network.validation, took, len(images), sum(map(len, calibration)))


def _told(began: float) -> Progress:
    said = ""

    def progress(what: str, done: int, total: int | None = None, /) -> None:  # noqa: ARG001
        nonlocal said
        if what != said:
            print(f"{time.perf_counter() - began:6.1f} s  {what}", file=sys.stderr)
            said = what

    return progress


def _rows(validation: Validation, seconds: float, samples: int, calibration: int) -> Rows:
    return {
        "samples": samples,
        "calibration_samples": calibration,
        "threads": torch.get_num_threads(),
        "seconds": seconds,
        "float": validation.float_metric,
        "quantized": validation.quantized_metric,
        "drop": validation.drop,
        "interval": validation.interval,
        "max_drop": validation.max_drop,
        "met": validation.met,
        "certain": validation.certain,
        "kept": validation.kept,
        "attempts": [
            {
                "recipe": attempt.recipe,
                "cures": list(attempt.cures),
                "metric": attempt.metric,
                "interval": attempt.interval,
                "samples": attempt.samples,
                "whole": attempt.whole,
                "bytes": attempt.bytes,
                "seconds": attempt.seconds,
            }
            for attempt in validation.attempts
        ],
    }


def show(title: str, rows: Rows) -> None:
    """The table."""
    table = Table(title=f"{title}: float {rows['float']:.1%} on {rows['samples']} samples")
    for column in ("tried", "metric", "points lost (95 %)", "samples", "kB", "s"):
        table.add_column(column, justify="left" if column == "tried" else "right")
    for number, row in enumerate(rows["attempts"]):
        low, high = row["interval"]
        table.add_row(
            ("> " if number == rows["kept"] else "  ") + row["recipe"],
            f"{row['metric']:.1%}" + ("" if row["whole"] else "*"),
            f"{100 * (rows['float'] - row['metric']):.2f} ({100 * low:.2f} .. {100 * high:.2f})",
            str(row["samples"]),
            f"{row['bytes'] / 1000:,.0f}",
            f"{row['seconds']:.1f}",
        )
    Console(width=120).print(table)
    verdict = "met" if rows["met"] else "missed"
    print(
        f"budget of {100 * rows['max_drop']:.2f} points {verdict}:"
        f" {100 * rows['drop']:.2f} lost; {rows['seconds']:.1f} s with {rows['threads']} threads"
    )


def tiny() -> tuple[Task, Recipe]:
    """A network whose own predictions are the labels, and a recipe with one layer too coarse."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(200, 3, 8, 8, generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Flatten()
        model = nn.Sequential(*layers, nn.Linear(72, 4)).eval()
    with torch.no_grad():
        labels = model(images).argmax(1).numpy()

    def calibrating(_: Path) -> list[Tensor]:
        return [images[:64]]

    task = Task(
        "tiny", (), lambda _: model, calibrating,
        lambda _, limit: (images[:limit].numpy(), labels[:limit]), Top1(),
    )  # fmt: skip
    weight = intact.Nearest(intact.Int(8), intact.PerTensor())
    rules = (
        intact.PtqRule(match="1", weight=weight, activation=intact.MinMax(intact.Int(2))),
        intact.PtqRule(weight=weight, activation=intact.MinMax(intact.Int(8))),
    )
    return task, Recipe(rules=rules)


def save(file: Path, name: str, rows: Rows) -> None:
    """Writes the rows beside those of other searches."""
    known = json.loads(file.read_text()) if file.exists() else {}
    known[name] = rows
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(known, indent=1) + "\n")


def main() -> None:
    """Prints the attempts of one search."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", choices=list(TASKS), default="mobilenet_v1")
    parser.add_argument("--recipe", default="W8A8-per-tensor")
    parser.add_argument("--plain", action="store_true", help="take the recipe's rules alone")
    parser.add_argument("--max-drop", type=float, default=0.01)
    parser.add_argument("--time", type=float, help="seconds after which the best so far is taken")
    parser.add_argument("--limit", type=int, help="use only so many validation samples")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help=f"write the rows to this file, as {RESULTS.name}")
    parser.add_argument("--smoke", action="store_true", help="a quick check on a tiny network")
    arguments = parser.parse_args()
    task: Task = TASKS[arguments.network]
    recipe: str | Recipe = arguments.recipe
    title = f"{arguments.network} {arguments.recipe}"
    if arguments.plain:
        recipe, title = Recipe(rules=RECIPES[arguments.recipe].rules), f"{title} (rules alone)"
    if arguments.smoke:
        (task, recipe), title = tiny(), "tiny"
    if missing := task.missing():
        print(f"skipped: {missing}", file=sys.stderr)
        return
    torch.set_num_threads(arguments.threads)
    rows = searched(task, recipe, arguments.max_drop, arguments.limit, arguments.time)
    show(title, rows)
    if arguments.json:
        save(arguments.json, f"{title} {arguments.max_drop:g}", rows)


if __name__ == "__main__":
    main()
