"""Results of training as JSON: one file a script, one entry for each network, method and seed."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.training.integers import Agreement, Integers
from benchmarks.training.loop import Point, Trained, Training

FOLDER = Path(__file__).resolve().parent.parent / "results"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One training."""

    network: str  # with its data set
    method: str
    seed: int
    measure: str = "top-1"  # or "perplexity"
    score: float  # of the integers, or of the float network
    integers: Integers | None = None  # None for float
    seconds: float  # of training
    settings: Mapping[str, str]
    curve: tuple[Point, ...]  # of every epoch, scored in float simulation
    torch: str = torch.__version__
    threads: int

    @property
    def key(self) -> tuple[str, str, int]:
        """What a later run of the same takes the place of."""
        return self.network, self.method, self.seed


def result(
    network: str, method: str, settings: Training, trained: Trained, score: float,
    integers: Integers | None, measure: str = "top-1",
) -> Result:  # fmt: skip
    """The entry of a training; without integers it is a float network's."""
    return Result(
        network=network,
        method=method,
        seed=settings.seed,
        measure=measure,
        score=score,
        integers=integers,
        seconds=round(trained.seconds, 1),
        settings={
            field.name: described(getattr(settings, field.name)) for field in fields(settings)
        },
        curve=tuple(trained.curve),
        threads=torch.get_num_threads(),
    )


def described(value: object) -> str:
    """Settings as text that is the same in every process: functions by their names."""
    if isinstance(value, partial):
        parts = [described(x) for x in value.args]
        parts += [f"{key}={described(x)}" for key, x in value.keywords.items()]
        return f"{described(value.func)}({', '.join(parts)})"
    if isinstance(value, tuple | list):
        return f"[{', '.join(described(x) for x in value)}]"
    if is_dataclass(value) and not isinstance(value, type):
        parts = [f"{f.name}={described(getattr(value, f.name))}" for f in fields(value)]
        return f"{type(value).__name__}({', '.join(parts)})"
    return str(getattr(value, "__qualname__", None) or repr(value))


def read(path: Path) -> list[Result]:
    """The entries of a file; none if it is not there."""
    if not path.exists():
        return []
    return [_result(entry) for entry in json.loads(path.read_text())]


def _result(entry: dict[str, Any]) -> Result:
    found = entry.pop("integers")
    curve = tuple(Point(*point) for point in entry.pop("curve"))
    if found is None:
        return Result(**entry, curve=curve)
    both = {name: Agreement(**found.pop(name)) for name in ("evaluated", "simulated")}
    return Result(**entry, curve=curve, integers=Integers(**found, **both))


def keep(found: Iterable[Result], path: Path, methods: Sequence[str]) -> None:
    """Adds entries to those in a file, instead of older ones about the same.

    Args:
        found: The entries.
        path: The file.
        methods: The order of all methods; entries about others are dropped.
    """
    kept = {entry.key: entry for entry in (*read(path), *found) if entry.method in methods}
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [
        {**asdict(entry), "curve": [dataclasses.astuple(p) for p in entry.curve]}
        for entry in sorted(kept.values(), key=lambda x: (x.seed, methods.index(x.method)))
    ]
    path.write_text(_compact(entries) + "\n")


def _compact(entries: list[dict[str, Any]]) -> str:
    """A line for each value of an entry, so that curves stay short."""
    made = []
    for entry in entries:
        lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in entry.items())
        made.append(" {\n" + ",\n".join(lines) + "\n }")
    return "[\n" + ",\n".join(made) + "\n]"
