"""Tables that scripts write into Markdown files."""

from collections.abc import Iterable, Sequence
from pathlib import Path


def table(columns: Sequence[str], lines: Iterable[Sequence[str]], left: int) -> str:
    """A table; the first columns, those of words, are flush left, the others flush right."""
    ruler = [":--"] * left + ["--:"] * (len(columns) - left)
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, ruler, *lines))


def put(text: str, path: Path, begin: str, end: str) -> None:
    """Puts a text between two marks of a file, in place of what is there.

    Raises:
        ValueError: if the file has no such marks.
    """
    whole = path.read_text()
    if begin not in whole or end not in whole:
        raise ValueError(f"{path} has no lines {begin} and {end}")
    before, after = whole.split(begin)[0], whole.split(end)[1]
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")
