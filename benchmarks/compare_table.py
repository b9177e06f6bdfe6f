"""The table of `compare_ptq.py`, on the terminal and in a Markdown file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import markdown

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
COLUMNS = (
    "network", "method", "accuracy", "points to float (95 %)", "agreement", "points to intact",
    "as it comes", "s", "CPU s", "MB",
)  # fmt: skip
LEFT = 2  # columns of words
MEASURES = {"top1": "top-1", "pixel_accuracy": "pixels", "mean_iou": "mIoU"}


def cells(row: dict[str, Any]) -> list[list[str]]:
    """The lines of one contestant: one for each measure."""
    lines = []
    for number, (name, value) in enumerate(row["measures"].items()):
        difference = row.get("differences", {}).get(name)
        plain = row.get("as_it_comes", {}).get(name)
        line = [row["network"], row["method"], f"{MEASURES[name]} {value:.2%}"]
        line.append("" if difference is None else _points(*difference))
        first = number == 0 and "seconds" in row
        line.append(f"{row['agreement']:.2%}" if first else "")
        other = row.get("to_intact", {}).get(name)
        line.append("" if other is None else _points(*other))
        line.append("" if plain is None else f"{plain:.2%}")
        keys = ("seconds", "cpu_seconds", "peak_mb")
        lines.append(line + [f"{row[key]:.0f}" if first else "" for key in keys])
    return lines


def _points(difference: float, low: float, high: float) -> str:
    return f"{100 * difference:+.2f} ({100 * low:+.2f} .. {100 * high:+.2f})"


def totals(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Seconds and peak memory over all networks, of the methods that have quantized them all."""
    timed = [row for row in rows if "seconds" in row]
    networks = {row["network"] for row in timed}
    lines = []
    for method in dict.fromkeys(row["method"] for row in timed):
        own = [row for row in timed if row["method"] == method]
        if {row["network"] for row in own} != networks:
            continue
        sums = [f"{sum(row[key] for row in own):.0f}" for key in ("seconds", "cpu_seconds")]
        largest = max(row["peak_mb"] for row in own)
        lines.append(["all", method, *[""] * 5, *sums, f"{largest:.0f}"])
    return lines


def _lines(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [line for row in rows for line in cells(row)] + totals(rows)


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Prints the table."""
    table = Table(title="post-training quantization")
    for index, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if index < LEFT else "right")
    for line in _lines(rows):
        table.add_row(*line)
    Console(width=180).print(table)


def document(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Puts the table between the two marks of a Markdown file.

    Raises:
        ValueError: if the file has no such marks.
    """
    markdown.put(markdown.table(COLUMNS, _lines(rows), LEFT), path, BEGIN, END)
