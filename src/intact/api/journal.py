"""Journal: what a search has found so far, in a file that outlives its process.

Lines of JSON: first the key of the whole search (network, recipe, samples, settings and versions),
then what was found, by keys of their own. A line is on the disk before the search goes on; the last
one, if its writer was killed within it, is dropped. Nothing is unpickled.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

Entry: TypeAlias = "bool | int | float | str | list[Entry] | dict[str, Entry] | None"
SUFFIX = ".journal"


class Journal:
    """Entries by key; in memory alone if it has no file."""

    def __init__(self, path: Path | None, key: str) -> None:
        """Continues the file if it is of the same search, else starts it anew.

        Raises:
            OSError: if it cannot be read or written.
        """
        self.path = path
        self._entries: dict[str, Entry] = {}
        if path is None:
            return
        lines = _lines(path)
        if lines[:1] == [{"search": key}]:
            for line in lines[1:]:
                self._entries.update(line)
            _write(path, lines)  # without a torn end, to which nothing could be added
        else:
            _write(path, [{"search": key}])

    @property
    def network(self) -> Path | None:
        """Where the best network so far lies: ``net.intact`` beside ``net.intact.journal``."""
        return None if self.path is None else self.path.with_suffix("")

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._entries)

    def get(self, key: str) -> Entry:
        """The entry, None if there is none."""
        return self._entries.get(key)

    def put(self, key: str, entry: Entry) -> None:
        """Adds an entry or replaces it."""
        self._entries[key] = entry
        if self.path is not None:
            with self.path.open("ab") as file:
                file.write(_line({key: entry}))
                file.flush()
                os.fsync(file.fileno())

    def remove(self) -> None:
        """Deletes the file: the search is over."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _lines(path: Path) -> list[dict[str, Entry]]:
    """The whole lines of a file; none if it is no journal."""
    if not path.exists():
        return []
    *whole, _torn = path.read_bytes().split(b"\n")
    found: list[dict[str, Entry]] = []
    for line in whole:
        try:
            entry = json.loads(line)
        except ValueError:
            return []
        if not isinstance(entry, dict):
            return []
        found.append(entry)
    return found


def _line(entry: Mapping[str, Entry]) -> bytes:
    return json.dumps(entry, allow_nan=False).encode() + b"\n"


def _write(path: Path, lines: list[dict[str, Entry]]) -> None:
    scratch = path.with_name(f"{path.name}.new")
    scratch.write_bytes(b"".join(map(_line, lines)))
    scratch.replace(path)
