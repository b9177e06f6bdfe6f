from pathlib import Path

import pytest

from intact.api.journal import Journal


def test_entries_outlive_their_writer(tmp_path: Path) -> None:
    path = tmp_path / "net.intact.journal"
    first = Journal(path, "key")
    first.put("a", {"metric": 0.1, "interval": [0.0, 1e-9], "samples": None})
    first.put("b", [["layer", 0.5, 1 / 3]])
    again = Journal(path, "key")
    assert len(again) == 2
    assert again.get("a") == {"metric": 0.1, "interval": [0.0, 1e-9], "samples": None}
    assert again.get("b") == [["layer", 0.5, 1 / 3]]
    assert again.get("c") is None
    assert again.network == tmp_path / "net.intact"
    again.remove()
    again.remove()
    assert list(tmp_path.iterdir()) == []


def test_another_search_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "net.intact.journal"
    Journal(path, "key").put("a", 1)
    assert len(Journal(path, "other")) == 0
    assert len(Journal(path, "key")) == 0


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_torn_line_is_dropped_and_the_next_is_whole(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "net.intact.journal"
    journal = Journal(path, "key")
    journal.put("a", 1)
    journal.put("b", 2)
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(path, "key")
    assert (again.get("a"), again.get("b")) == (1, None)
    again.put("c", 3)
    assert (Journal(path, "key").get("a"), Journal(path, "key").get("c")) == (1, 3)


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04K\x01.\n", b"[1]\n", b"\xff\xfe\n", b'{"a": 1}\n']
)
def test_another_file_is_no_journal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.intact.journal"
    path.write_bytes(content)
    assert len(Journal(path, "key")) == 0


def test_without_a_file_entries_are_in_memory() -> None:
    journal = Journal(None, "")
    journal.put("a", 1)
    assert (journal.get("a"), journal.network) == (1, None)
    journal.remove()
