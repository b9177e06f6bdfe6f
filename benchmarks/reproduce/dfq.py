"""Data-free quantization (Nagel et al. 2019), step by step, on trained networks.

    python benchmarks/reproduce/dfq.py [--network mobilenet_v1 ...] [--limit N] [--smoke]
        [--threads N] [--json benchmarks/results/dfq.json]

Weights have one scale for each tensor but in the last row, without zero point (symmetric) or with
one (asymmetric); activations are int8 with ranges from batch norm, and no sample is read but where
batch norm is folded: there 64 photographs tell what it knew. Every row is compared with the
original float network on the same samples, with a 95 % interval, paired. Float rows are torch's,
rows of int8 the native integer engine's.

The data lie at $INTACT_DATA. The rows are written to --json, beside those of other networks there.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks.trained import TASKS, Engine, Task, Top1, float_engine
from intact import ptq
from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.exec import native
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.lower.lower import lower
from intact.metrics import Z95
from intact.numerics.formats import Int
from intact.numerics.granularity import PerTensor
from intact.observers import MinMax
from intact.passes.absorb_bias import absorb_bias
from intact.passes.equalize import equalize
from intact.passes.relu6_to_relu import relu6_to_relu
from intact.recipes import RECIPES

RESULTS = Path(__file__).resolve().parent.parent / "results" / "dfq.json"
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Step:
    """A row: what is done to the float network, and to its weights."""

    name: str
    relu: bool = False  # instead of ReLU6
    equalized: bool = False
    absorbed: float | None = None  # what lies more than so many deviations above 0
    corrected: bool = False
    brief: bool = False  # its symmetric row is measured on slow networks, too

    def changes(self, symmetric: bool) -> tuple[bool, bool, float | None, bool]:
        """What the float network depends on."""
        return self.relu, self.equalized, self.absorbed, self.equalized and symmetric

    def prepare(self, graph: Graph[FloatOp], symmetric: bool) -> Graph[FloatOp]:
        """The float network."""
        if self.relu:
            graph = relu6_to_relu(graph)
        if self.equalized:
            graph = equalize(graph, symmetric=symmetric)
        return graph if self.absorbed is None else absorb_bias(graph, deviations=self.absorbed)

    def recipe(self, symmetric: bool) -> ptq.Recipe:
        """How the network is quantized."""
        nearest = ptq.Nearest(Int(8, narrow=symmetric), PerTensor(), symmetric)
        weight = ptq.BiasCorrected(nearest) if self.corrected else nearest
        return ptq.Recipe(rules=(ptq.PtqRule(weight=weight, activation=MinMax(Int(8))),))


LADDER = (
    Step("as it is", brief=True),
    Step("biases corrected", corrected=True),
    Step("ReLU for ReLU6", relu=True),
    Step("ReLU, equalized", relu=True, equalized=True),
    Step("ReLU, equalized, absorbed", relu=True, equalized=True, absorbed=3),
    Step("ReLU, all of it", relu=True, equalized=True, absorbed=3, corrected=True, brief=True),
    Step("bounds per channel, equalized", equalized=True),
    Step("bounds per channel, equalized, corrected", equalized=True, corrected=True, brief=True),
    Step("bounds per channel, all of it", equalized=True, absorbed=3, corrected=True),
    Step("the same, absorbed beyond 6 deviations", equalized=True, absorbed=6, corrected=True),
)


class Ladder:
    """All rows of one network."""

    def __init__(
        self, task: Task, limit: int | None, threads: int, input_range: tuple[float, float]
    ) -> None:
        self._task, self._threads, self._range = task, threads, input_range
        self.images, self._targets = task.validation(limit)
        module, example = task.load()
        self._reference = self._scores(float_engine(module))
        self._graph = capture(module, example)
        samples = task.calibrating(task.data)
        self._graph = ptq.EstimateBatchNorm()(self._graph, samples, ptq.silent)

    def _scores(self, engine: Engine) -> tuple[np.ndarray, dict[str, float]]:
        outputs = self._task.run(engine, self.images)
        return self._task.scores(outputs, self._targets), self._task.metric(outputs, self._targets)

    def row(self, name: str, weights: str, engine: Engine) -> dict[str, Any]:
        """One row, paired with the original float network."""
        scores, metric = self._scores(engine)
        differences = scores - self._reference[0]
        half = Z95 * differences.std() / np.sqrt(len(differences))
        mean = float(differences.mean())
        row = {
            "step": name, "weights": weights, "samples": len(differences), **metric,
            "difference": mean, "interval": [mean - half, mean + half],
        }  # fmt: skip
        return row

    def rows(self, brief: bool) -> Iterator[dict[str, Any]]:
        """The whole ladder."""
        first = {"step": "original", "weights": "float", "samples": len(self.images)}
        yield {**first, **self._reference[1]}
        prepared = {LADDER[0].changes(symmetric=True): self._graph}
        for step in LADDER:
            for symmetric in (True, False):
                if brief and not (step.brief and symmetric):
                    continue
                key = step.changes(symmetric)
                if key not in prepared:
                    prepared[key] = step.prepare(self._graph, symmetric)
                    engine = float_engine(from_graph(prepared[key]).eval())
                    yield self.row(step.name, f"float, {_weights(symmetric)}", engine)
                engine = self._quantized(prepared[key], step.recipe(symmetric))
                yield self.row(step.name, _weights(symmetric), engine)
        for name in ("W8A8-data-free-per-tensor", "W8A8-data-free"):
            engine = self._quantized(self._graph, RECIPES[name])
            yield self.row(name, _weights(symmetric=True), engine)

    def _quantized(self, graph: Graph[FloatOp], recipe: ptq.Recipe) -> Engine:
        recipe = replace(recipe, observe=ptq.FromBatchNorm(input_range=self._range))
        program = lower(ptq.quantize(graph, recipe))
        run = native.load(program, self._threads)
        (x,), (y,) = program.inputs, program.outputs
        return lambda images: run({x.name: images})[y.name]


def _weights(symmetric: bool) -> str:
    return "symmetric" if symmetric else "asymmetric"


class Tiny(nn.Module):
    """Separable convolutions with ReLU6 whose channels differ a hundredfold."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, bias=False), nn.BatchNorm2d(16), nn.ReLU6(),
            nn.Conv2d(16, 16, 3, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6(),
            nn.Conv2d(16, 32, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6(),
        )  # fmt: skip
        self.classifier = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 24, 24) to (N, 10)."""
        return self.classifier(self.features(x).mean((2, 3)))


def tiny() -> Task:
    """An untrained network whose float answers count as right."""
    torch.manual_seed(0)
    model = Tiny()
    images = torch.rand(200, 3, 24, 24) * 2 - 1 + torch.randn(200, 3, 1, 1) / 2
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(10 ** (torch.rand(module.num_features) * 2 - 1.5))
                module.bias.copy_(module.weight * torch.randn(module.num_features))
                module.momentum = None
        logits = model.train()(images)
        model.classifier.bias.sub_(logits.mean(0))
        labels = model.eval()(images).argmax(1).numpy()
    return Task(
        "tiny", (), lambda _: model, lambda _: [],
        lambda _, limit: (images[:limit].numpy(), labels[:limit]), Top1(),
    )  # fmt: skip


def show(name: str, rows: Rows) -> None:
    """The table."""
    metrics = [key for key in rows[0] if key not in ("step", "weights", "samples")]
    table = Table(title=f"{name}, {rows[0]['samples']} samples")
    for column in ("step", "weights", *metrics, "points to the original (95 %)"):
        table.add_column(column, justify="left" if column in ("step", "weights") else "right")
    for row in rows:
        cells = [row["step"], row["weights"], *(f"{row[key]:.1%}" for key in metrics)]
        if "difference" in row:
            numbers = (row["difference"], *row["interval"])
            cells.append("{:+.2f} ({:+.2f} .. {:+.2f})".format(*(100 * x for x in numbers)))
        table.add_row(*cells)
    Console(width=120).print(table)


def save(file: Path, name: str, rows: Rows) -> None:
    """Writes the rows beside those of other networks."""
    known = json.loads(file.read_text()) if file.exists() else {}
    known[name] = rows
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(known, indent=1) + "\n")


INPUTS = {"mobilenet_v2": (-2.1179, 2.64)}  # others: -1 .. 1
BRIEF = ("deeplab_v3",)  # a photograph takes seconds


def main() -> None:
    """Prints a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = [name for name in TASKS if name != "cifar_resnet20"]
    parser.add_argument("--network", nargs="+", choices=names, default=names)
    parser.add_argument("--limit", type=int, help="use only so many validation samples")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help=f"write the rows to this file, as {RESULTS.name}")
    parser.add_argument("--smoke", action="store_true", help="a minute's check on a tiny network")
    arguments = parser.parse_args()
    tasks = [tiny()] if arguments.smoke else [TASKS[name] for name in arguments.network]
    for task in tasks:
        if missing := task.missing():
            print(f"skipped: {missing}", file=sys.stderr)
            continue
        start = time.perf_counter()
        ladder = Ladder(task, arguments.limit, arguments.threads, INPUTS.get(task.name, (-1, 1)))
        rows: Rows = []
        for row in ladder.rows(brief=task.name in BRIEF):
            rows.append(row)
            print(f"{time.perf_counter() - start:.0f} s {json.dumps(row)}", file=sys.stderr)
            if arguments.json:
                save(arguments.json, task.name, rows)
        show(task.name, rows)


if __name__ == "__main__":
    main()
