"""The table of `benchmarks/compare_ptq.py`."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare_table import BEGIN, END, document, totals

FLOAT = {"network": "a", "method": "float", "measures": {"top1": 0.5}}


def timed(network: str, method: str, seconds: float) -> dict[str, Any]:
    return {
        "network": network, "method": method, "measures": {"top1": 0.49}, "agreement": 0.9,
        "differences": {"top1": (-0.01, -0.02, 0.0)},
        "seconds": seconds, "cpu_seconds": 2 * seconds, "peak_mb": 100 + seconds,
    }  # fmt: skip


def test_totals_are_of_methods_that_quantized_all_networks() -> None:
    rows = [FLOAT, timed("a", "one", 1), timed("b", "one", 5), timed("a", "two", 3)]
    assert totals(rows) == [["all", "one", "", "", "", "", "", "6", "12", "105"]]


def test_the_document_holds_the_last_table_alone(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    document([FLOAT, timed("a", "one", 1)], path)
    document([FLOAT, timed("a", "two", 1)], path)
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "| top-1 49.00% | -1.00 (-2.00 .. +0.00) | 90.00% |  |  | 1 | 2 | 101 |" in text
    assert "one" not in text
    assert "old" not in text


def test_a_document_without_marks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.md"
    path.write_text("no marks\n")
    with pytest.raises(ValueError, match="has no lines"):
        document([FLOAT], path)
