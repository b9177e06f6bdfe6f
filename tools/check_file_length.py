"""Fails when a Python file in src/ is longer than 500 lines: a growing file is two concepts."""

import sys
from pathlib import Path

LIMIT = 500
SRC = Path(__file__).resolve().parent.parent / "src"


def main(names: list[str]) -> int:
    """Checks the named files, or every Python file in src/ when none is named."""
    paths = [Path(name) for name in names] or sorted(SRC.rglob("*.py"))
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    too_long = {path: length for path, length in lengths.items() if length > LIMIT}
    for path, length in too_long.items():
        print(f"{path}: {length} lines, the limit is {LIMIT}; split it by concept", file=sys.stderr)
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
