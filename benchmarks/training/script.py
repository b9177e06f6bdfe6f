"""What the scripts of `benchmarks/reproduce` share: their options and what they print."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.trained import DATA
from benchmarks.training.results import FOLDER, Result, keep
from benchmarks.training.table import lines, show


@dataclass(frozen=True)
class Options:
    """The command line."""

    smoke: bool
    methods: tuple[str, ...]  # all that the script has, in their order
    only: tuple[str, ...]  # those to run
    seeds: tuple[int, ...]
    data: Path


def options(doc: str, methods: Iterable[str], seeds: Sequence[int] = (0,)) -> Options:
    """Reads the command line, and sets the number of threads."""
    names = list(methods)
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="METHOD")
    parser.add_argument("--seed", nargs="+", type=int, default=list(seeds))
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--smoke", action="store_true", help="drawn data, seconds; writes nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    only = tuple(arguments.only)
    return Options(arguments.smoke, tuple(names), only, tuple(arguments.seed), arguments.data)


def positive(text: str) -> int:
    """A number of 1 or more on the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 or more")
    return int(text)


def report(chosen: Options, run: Callable[[str, int], Result], file: str) -> None:
    """Runs each method with each seed, keeps each result in benchmarks/results, prints them."""
    found = []
    for seed in chosen.seeds:
        for method in chosen.only:
            found.append(run(method, seed))
            if not chosen.smoke:
                keep(found[-1:], FOLDER / file, chosen.methods)
    show(lines(found))


def missing(chosen: Options, folder: str) -> bool:
    """Whether data are needed and absent, which it says."""
    absent = not chosen.smoke and not (chosen.data / folder).is_dir()
    if absent:
        print(f"skipped: no {folder} at {chosen.data}; use --data", file=sys.stderr)
    return absent
