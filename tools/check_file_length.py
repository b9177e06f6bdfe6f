"""Fails when a source file is longer than 500 lines: a growing file is two concepts."""

import sys
from pathlib import Path

LIMIT = 500
ROOT = Path(__file__).resolve().parent.parent
SOURCES = {"src": (".py", ".pyi"), "csrc": (".c", ".cc", ".h", ".inc")}


def main(names: list[str]) -> int:
    """Checks the named files, or every source file when none is named."""
    paths = [Path(name) for name in names] or sorted(
        path
        for folder, suffixes in SOURCES.items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes
    )
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    too_long = {path: length for path, length in lengths.items() if length > LIMIT}
    for path, length in too_long.items():
        print(f"{path}: {length} lines, the limit is {LIMIT}; split it by concept", file=sys.stderr)
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
