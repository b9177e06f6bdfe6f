"""What commands print: results on stdout, everything else on stderr."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def fail(message: str, code: int) -> int:
    """Says in one line what went wrong; returns the exit code."""
    line = " ".join(message.split()) or "failed without a message"
    click.echo(f"intact: {line}", err=True)
    return code


def note(message: str) -> None:
    """A line of information for people."""
    click.echo(message, err=True)


def print_json(document: Mapping[str, Json]) -> None:
    """The one JSON document of a command; infinity and NaN, which JSON lacks, become null."""
    click.echo(json.dumps(_finite(dict(document)), indent=2, ensure_ascii=False))


def _finite(value: Json) -> Json:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(part) for key, part in value.items()}
        case list():
            return [_finite(part) for part in value]
        case _:
            return value


class Show(Protocol):
    """Shows what is being done, and how many samples of how many are through."""

    def __call__(self, what: str, done: int, total: int | None = None) -> None:
        """Called now and then."""


@contextmanager
def progress() -> Iterator[Show]:
    """A bar on a terminal, a spinner where the total is not known; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("starting", total=None)

        def show(what: str, done: int, total: int | None = None) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield show


def check_output(path: Path, suffix: str) -> None:
    """Complains of an output that cannot be written, before any work is done for it.

    Raises:
        ValueError: if the name has another suffix.
        FileNotFoundError: if the folder does not exist.
        PermissionError: if it cannot be written to.
    """
    if path.suffix != suffix:
        raise ValueError(f"{path}: the output must be named *{suffix}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder")
    _check_writable(path.parent)


def check_folder(path: Path) -> None:
    """The same of a folder, which may exist already or be made in one that does.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: if it cannot be written to.
    """
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{path} is a file; C sources need a folder")
    _check_writable(path if path.exists() else path.parent)


def _check_writable(folder: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder}: files cannot be written there; choose another -o")


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.2f} %"


def kilobytes(count: int) -> str:
    """Bytes in units of 1000, as disks are sold."""
    return f"{count / 1000:,.1f} kB"
