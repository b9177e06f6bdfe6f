"""Post-training quantization by intact and by other toolkits: accuracy, seconds, memory.

    python benchmarks/compare_ptq.py [--networks ...] [--methods ...] [--json FILE] [--doc FILE]
        [--python aimet=/path/to/python] [--limit N] [--smoke]

Every contestant gets the same trained network (intact the torch module, the others the ONNX file
that torch writes of it) and the same calibration samples, and works in a process and on one core of
its own; a toolkit that is not installed is skipped. `--python NAME=PATH` runs one in another
interpreter.

Accuracy is that of integers. intact's network runs on its native engine. The others' QDQ files run
in ONNX Runtime with session.x64quantprecision=1, without which its kernels for uint8 saturate on
x86 without VNNI; "as it comes" is ONNX Runtime's default. Differences to float are paired, with
their 95 % intervals. The JSON file keeps rows of earlier runs; --doc puts the table into a file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import intact
from benchmarks.compare_table import document, show
from benchmarks.rivals import METHODS, measured
from benchmarks.trained import TASKS, Engine, Task, Top1
from intact.recipes import RECIPES
from tests.architectures.cifar_resnet import CifarResNet
from tests.architectures.examples import images
from tests.architectures.seeding import seeded

HERE = Path(__file__).resolve().parent
Row: TypeAlias = dict[str, object]
OURS = {"intact": "W8A8", "intact-data-free": "W8A8-data-free"}


def _noise(seed: int, samples: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    draw = images(3, 32, 32)
    return torch.cat([draw(generator)[0] for _ in range(samples // 2)])


_SMOKE = Task(
    "smoke",
    (),
    lambda _: seeded(partial(CifarResNet, depth=1), images(3, 32, 32)),
    lambda _: _noise(1, 8).split(4),
    lambda _, limit: (_noise(2, 8).numpy()[:limit], np.arange(8)[:limit]),
    Top1(),
)


@dataclass(frozen=True)
class Files:
    """What the contestants of one network read and write."""

    folder: Path

    @property
    def network(self) -> Path:
        """The float network."""
        return self.folder / "float.onnx"

    @property
    def samples(self) -> Path:
        """Calibration samples, one array."""
        return self.folder / "samples.npy"

    def made(self, method: str) -> Path:
        """A contestant's network."""
        return self.folder / f"{method}.{'intact' if method in OURS else 'onnx'}"


def write(task: Task, files: Files) -> None:
    """The float network and its samples."""
    module, example = task.load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (example,), files.network, dynamo=True, external_data=False, verbose=False
        )
    np.save(files.samples, torch.cat(task.calibration()).numpy())


def ours(task: Task, recipe: str, source: Path, target: Path) -> None:
    """Quantizes with intact in this process, and says what `rivals.py` says."""
    module, example = task.load()
    samples = torch.from_numpy(np.load(source)).split(10)
    torch.export.export(torch.nn.Identity(), (example,))  # imports what torch imports late
    made, numbers = measured(
        lambda: intact.quantize(module, samples, example_input=example, recipe=recipe)
    )
    assert isinstance(made, intact.QuantizedNetwork)
    made.save(target)
    print(json.dumps({"version": "", **numbers, "stays_float": len(made.stays_float)}))


def run(method: str, task: Task, files: Files, python: str) -> Row | None:
    """Lets one contestant quantize; None and a message where it cannot."""
    target = files.made(method)
    if method in OURS:
        command = [sys.executable, __file__, "--worker", task.name, OURS[method]]
    else:
        command = [python, str(HERE / "rivals.py"), method, str(files.network)]
    command += [str(files.samples), str(target)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if python != sys.executable:
        environment.pop("PYTHONPATH", None)
    core = {max(os.sched_getaffinity(0))}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )  # fmt: skip
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"{task.name}: {method} is skipped: {why}", file=sys.stderr)
        return None
    return dict(json.loads(done.stdout.splitlines()[-1]))


def onnxruntime(path: Path, *, exact: bool) -> Engine:
    """Runs an ONNX file one sample at a time, with exact 8-bit products or ONNX Runtime's own."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def engine(batch: np.ndarray) -> np.ndarray:
        return np.concatenate([session.run(None, {name: x[None]})[0] for x in batch])

    return engine


@dataclass
class Judge:
    """Scores networks against one float network, and against intact's, on the same samples."""

    task: Task
    samples: np.ndarray
    targets: np.ndarray
    reference: np.ndarray  # the float network's answers
    ours: np.ndarray | None = None  # W8A8's, once it had its turn

    def verdict(self, method: str, path: Path) -> Row:
        """Measures and differences of a contestant's network."""
        if method in OURS:
            with intact.compile(intact.load(path), threads=torch.get_num_threads()) as engine:
                answers = self.task.run(engine, self.samples)
            if method == "intact":
                self.ours = answers
            return self._row(answers)
        answers = self.task.run(onnxruntime(path, exact=True), self.samples)
        plain = self.task.run(onnxruntime(path, exact=False), self.samples)
        row = {**self._row(answers), "as_it_comes": self.task.metric(plain, self.targets)}
        if self.ours is not None:
            row["to_intact"] = self.task.differences(answers, self.ours, self.targets)
        return row

    def _row(self, answers: np.ndarray) -> Row:
        return {
            "measures": self.task.metric(answers, self.targets),
            "differences": self.task.differences(answers, self.reference, self.targets),
            "agreement": self.task.agreement(answers, self.reference),
        }


def compare(
    task: Task, methods: list[str], pythons: dict[str, str], limit: int | None
) -> Iterator[Row]:
    """One row for float and one for each method that runs."""
    samples, targets = task.validation(limit)
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder))
        write(task, files)
        reference = task.run(onnxruntime(files.network, exact=True), samples)
        judge = Judge(task, samples, targets, reference)
        common: Row = {"network": task.name, "samples": len(samples)}
        yield {**common, "method": "float", "measures": task.metric(reference, targets)}
        for method in methods:
            python = pythons.get(method.partition("-")[0], sys.executable)
            row = run(method, task, files, python)
            if row is not None:
                verdict = judge.verdict(method, files.made(method))
                yield {**common, "method": method, **row, **verdict}


def measure(arguments: argparse.Namespace, note: Callable[[Row], None]) -> None:
    """Compares on every network whose data are there."""
    pythons = dict(pair.split("=", 1) for pair in arguments.python)
    for name in arguments.networks:
        task = _SMOKE if name == "smoke" else TASKS[name]
        if missing := task.missing():
            print(f"skipped: {missing}", file=sys.stderr)
            continue
        for row in compare(task, arguments.methods, pythons, arguments.limit):
            print(json.dumps(row), file=sys.stderr, flush=True)
            note(row)


def main() -> None:
    """Measures, or is the worker of one measurement."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    known = [*(name for name, recipe in OURS.items() if recipe in RECIPES), *METHODS]
    parser.add_argument("--networks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=known, default=known)
    parser.add_argument("--python", nargs="*", default=[], metavar="TOOLKIT=PATH")
    parser.add_argument("--limit", type=int, help="use only so many validation samples")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--doc", type=Path, help="file that holds the table between two marks")
    parser.add_argument("--smoke", action="store_true", help="a tiny network, no data")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        name, recipe, samples, target = arguments.worker
        task = _SMOKE if name == "smoke" else TASKS[name]
        ours(task, recipe, Path(samples), Path(target))
        return
    if arguments.smoke:
        arguments.networks = ["smoke"]
    rows: dict[tuple[object, object], Row] = {}
    if arguments.json and arguments.json.exists():
        rows = {
            (row["network"], row["method"]): row for row in json.loads(arguments.json.read_text())
        }

    def note(row: Row) -> None:
        rows[row["network"], row["method"]] = row
        if arguments.json:
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
            arguments.json.write_text(json.dumps(list(rows.values()), indent=1) + "\n")

    measure(arguments, note)
    show(list(rows.values()))
    if arguments.doc:
        document(list(rows.values()), arguments.doc)


if __name__ == "__main__":
    main()
