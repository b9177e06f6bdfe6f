"""The table of what was trained, on the terminal, in doc/training.md and, short, in README.md.

python benchmarks/training/table.py
"""

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks import markdown
from benchmarks.training.integers import Agreement
from benchmarks.training.results import FOLDER, Result, read

BEGIN, END = "<!-- training: begin -->", "<!-- training: end -->"
ROOT = FOLDER.parent.parent
FILES = (
    "cifar.json",
    "simqat.json",
    "bnn.json",
    "dorefa.json",
    "slb.json",
    "whitepaper.json",
    "distillation.json",
    "ptb.json",
)  # in the table's order
COLUMNS = (
    "network", "method", "seeds", "score", "to float", "= evaluated", "= simulated", "epochs",
    "min",
)  # fmt: skip
SHORT = ("network", "method", "seeds", "score", "to float")  # of README.md
LEFT = 2  # columns of words
FLOAT = "float"  # the method that the others are compared with


def lines(results: Sequence[Result]) -> list[list[str]]:
    """One for each network and method of a script: means over the seeds."""
    made: dict[tuple[str, str], list[Result]] = {}
    for entry in results:
        made.setdefault((entry.network, entry.method), []).append(entry)
    return [
        _line(entries, made.get((network, FLOAT), [])) for (network, _), entries in made.items()
    ]


def _line(entries: list[Result], floats: list[Result]) -> list[str]:
    first = entries[0]
    executed = [entry.integers for entry in entries if entry.integers is not None]
    return [
        first.network,
        first.method,
        str(len(entries)),
        _score(first.measure, [entry.score for entry in entries]),
        _difference(entries, floats) if executed else "",
        _agreement([x.evaluated for x in executed]),
        _agreement([x.simulated for x in executed]),
        str(len(first.curve)),
        f"{statistics.mean(entry.seconds for entry in entries) / 60:.0f}",
    ]


def _score(measure: str, scores: list[float]) -> str:
    """The mean, with the deviation over several seeds."""
    percent = measure == "top-1"
    values = [100 * score if percent else score for score in scores]
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{spread}{' %' if percent else ''}"


def _difference(entries: list[Result], floats: list[Result]) -> str:
    """The mean over the seeds that float has, too."""
    scores = {entry.seed: entry.score for entry in floats}
    found = [entry.score - scores[entry.seed] for entry in entries if entry.seed in scores]
    if not found:
        return ""
    return f"{(100 if entries[0].measure == 'top-1' else 1) * statistics.mean(found):+.2f}"


def _agreement(found: list[Agreement]) -> str:
    """Equal codes and equal predictions, of the worst seed."""
    if not found:
        return ""
    return f"{min(x.codes for x in found):.2%}, {min(x.top1 for x in found):.2%}"


def show(found: Sequence[Sequence[str]]) -> None:
    """Prints lines as a table."""
    table = Table()
    for index, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if index < LEFT else "right")
    for line in found:
        table.add_row(*line)
    Console(width=130).print(table)


def document(found: Sequence[Sequence[str]], path: Path, columns: Sequence[str] = COLUMNS) -> None:
    """Puts lines, or some of their columns, between the two marks of a Markdown file.

    Raises:
        ValueError: if the file has no such marks.
    """
    chosen = [COLUMNS.index(column) for column in columns]
    short = [[line[index] for index in chosen] for line in found]
    markdown.put(markdown.table(columns, short, LEFT), path, BEGIN, END)


def main() -> None:
    """Writes the tables of all results that are there."""
    found = [line for file in FILES for line in lines(read(FOLDER / file))]
    show(found)
    document(found, ROOT / "doc" / "training.md")
    document(found, ROOT / "README.md", SHORT)


if __name__ == "__main__":
    main()
